"""What makes the samples of one client look unlike those of another: the classes behind `data.shift`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.data.samples import IMAGE, Samples
from scarlet_pl.errors import ConfigError, require
from scarlet_pl.functional.images import add_noise, rotate

_BLOCK = 4096


class Shift(ABC):
    """Feature shift: changes the clients' own samples, training and test, once and before the first round. Public
    samples and those that the server is tested on stay as they are."""

    @abstractmethod
    def __call__(self, samples: Samples, owners: Tensor, seed: int, draws: torch.Generator) -> Samples:
        """The samples as their owners have them.

        Args:
            owners: (n,) int64, the client of each sample, -1 where it is nobody's.
            seed: with a client's number it decides what all the client's samples share.
            draws: for what differs from sample to sample.

        Raises:
            ConfigError: the shift is not for such samples.
        """


@dataclass(frozen=True)
class ImageShift(Shift):
    """Each client's images are turned by an angle of its own and have noise of a strength of its own.

    Source: Li et al. 2022 (arXiv 2102.02079), "feature distribution skew", there with noise that grows with the
    client's number; here angle and strength are drawn from (seed, client).

    Args:
        degrees: angles are uniform in [-degrees, degrees]; what is turned in from outside of an image is 0.
        noise: standard deviations of the Gaussian noise are uniform in [0, noise], of pixels in [0, 1].
    """

    degrees: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.degrees <= 180, "data.shift.degrees", self.degrees, "a number in [0, 180]")
        require(0 <= self.noise <= 1, "data.shift.noise", self.noise, "a number in [0, 1]")

    def __call__(self, samples: Samples, owners: Tensor, seed: int, draws: torch.Generator) -> Samples:
        images = samples.fields.get(IMAGE)
        if images is None or images.ndim != 4:
            found = ", ".join(f"{name} {shape}" for name, shape in samples.shapes.items())
            raise ConfigError("data.shift", type(self).__name__, f"a shift for samples of {found}")
        # one entry more, at -1: what is nobody's stays as it is
        clients = range(int(owners.max()) + 1)
        angles = torch.tensor([*(self.degrees * (2 * rng.uniform(seed, "angle", client=k) - 1) for k in clients), 0.0])
        levels = torch.tensor([*(self.noise * rng.uniform(seed, "noise_level", client=k) for k in clients), 0.0])
        blocks = zip(images.split(_BLOCK), owners.split(_BLOCK), strict=True)
        shifted = [self._block(block, angles[own], levels[own], draws) for block, own in blocks]
        return Samples({**samples.fields, IMAGE: torch.cat(shifted)})

    def _block(self, images: Tensor, angles: Tensor, levels: Tensor, draws: torch.Generator) -> Tensor:
        pixels = images.to(torch.float32) / 255
        pixels = rotate(pixels, angles) if self.degrees else pixels
        pixels = add_noise(pixels, levels, draws) if self.noise else pixels
        return (pixels * 255).round().clamp(0, 255).to(torch.uint8)
