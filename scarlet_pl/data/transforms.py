"""What is done to samples: brought together once, made a network's input in each batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from scarlet_pl.data.memory import memory
from scarlet_pl.data.samples import IMAGE, Batch, Samples
from scarlet_pl.errors import ConfigError, require

Shapes = Mapping[str, tuple[int, ...]]


class Transform:
    """Leaves samples as they are, as token ids are. A subclass is the part behind `data.transform`.

    Soft labels are always predicted on samples without augmentation.
    """

    def facts(self, shapes: Shapes) -> dict[str, Any]:
        """What networks are made with beside `num_classes`, from the shapes of a sample's fields in the private set.

        Raises:
            ConfigError: the transform is not for such samples.
        """
        return {}

    def bring_together(self, parts: Sequence[Samples]) -> list[Samples]:
        """The training, the test and the public set, in this order, with samples of one form; done once.

        Raises:
            ConfigError: they cannot have one.
        """
        form = parts[0].shapes
        for part in parts[1:]:
            require(part.shapes == form, "data.public", part.shapes, f"samples like the private ones, {form}")
        return list(parts)

    def draw(self, count: int, rng: torch.Generator) -> Tensor | None:
        """(…, count): how each sample of a training batch is augmented, as `__call__` reads it; None: not at all.

        Drawn for a whole batch, so that ranks which share the batch each take their samples' columns.
        """
        return None

    def __call__(self, batch: Batch, draws: Tensor | None = None) -> Batch:
        """A batch as it lies in memory → a network's input.

        Args:
            draws: how each sample is augmented, as `draw` says; None leaves them as they are.
        """
        return batch


@dataclass(frozen=True)
class ImageTransform(Transform):
    """Images brought to one size, normalised in each batch, augmented where they train.

    Args:
        size: height and width of all images in pixels; the private source's own when null.
        channels: 1 (grey) or 3 (colour) for all images; the private source's own when null.
        mean: subtracted from pixels in [0, 1]: a number, or one for each channel.
        std: divides them then: a number, or one for each channel.
        flip: whether images that are trained on are mirrored at random.
        crop_padding: pixels of padding before a random crop of images that are trained on; 0 is no crop.
    """

    size: int | None = None
    channels: int | None = None
    mean: float | list[float] = 0.5
    std: float | list[float] = 0.5
    flip: bool = False
    crop_padding: int = 0

    def __post_init__(self) -> None:
        require(self.size is None or self.size >= 1, "data.transform.size", self.size, "an integer >= 1, or null")
        require(self.channels in (None, 1, 3), "data.transform.channels", self.channels, "1, 3 or null")
        ok = all(each > 0 for each in _numbers(self.std))
        require(ok, "data.transform.std", self.std, "a number > 0, or one for each channel")
        require(self.crop_padding >= 0, "data.transform.crop_padding", self.crop_padding, "an integer >= 0")

    def facts(self, shapes: Shapes) -> dict[str, Any]:
        """`in_channels` and `image_size` (H, W)."""
        channels, height, width = self._shape(shapes)
        return {"in_channels": channels, "image_size": (height, width)}

    def bring_together(self, parts: Sequence[Samples]) -> list[Samples]:
        """Images (n, C, H, W) uint8 with the number of channels and the size that are configured, or that the first
        part has. Grey becomes colour by repetition, colour grey by the ITU-R 601 luma; sizes by antialiased bilinear
        sampling."""
        shape = self._shape(parts[0].shapes)
        for part in parts[1:]:
            self._shape(part.shapes)
        most = max(shape[1:])
        require(
            self.crop_padding <= most,
            "data.transform.crop_padding",
            self.crop_padding,
            f"at most {most}, the size of the images",
        )
        count = sum(map(len, parts))
        fits = count * shape[0] * shape[1] * shape[2] <= memory()
        require(fits, "data.transform.size", shape[1], f"a size at which {count} images fit in memory")
        return [Samples({**part.fields, IMAGE: _resized(part.fields[IMAGE], shape[0], shape[1:])}) for part in parts]

    def __call__(self, batch: Batch, draws: Tensor | None = None) -> Batch:
        """(B, C, H, W) uint8 → (B, C, H, W) float32, ((x / 255) - mean) / std."""
        images = batch[IMAGE]
        if draws is not None:
            images = self._augment(images, *draws.to(images.device))
        floats = images.to(torch.float32).div_(255.0)
        return {**batch, IMAGE: floats.sub_(_by_channel(self.mean, floats)).div_(_by_channel(self.std, floats))}

    def draw(self, count: int, rng: torch.Generator) -> Tensor | None:
        """(3, count) int64: whether each image is mirrored, and the row and column at which it is cropped."""
        if not (self.flip or self.crop_padding):
            return None
        mirrored = torch.rand(count, generator=rng) < 0.5 if self.flip else torch.zeros(count, dtype=torch.bool)
        corners = torch.randint(2 * self.crop_padding + 1, (2, count), generator=rng)
        return torch.cat([mirrored[None].long(), corners])

    def _shape(self, shapes: Shapes) -> tuple[int, int, int]:
        """(C, H, W) of the images that come of such ones."""
        if IMAGE not in shapes or len(shapes[IMAGE]) != 3:
            found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise ConfigError("data.transform", type(self).__name__, f"a transform for samples of {found}")
        channels, height, width = shapes[IMAGE]
        channels = self.channels or channels
        for name in ("mean", "std"):
            given = _numbers(getattr(self, name))
            ok = len(given) in (1, channels)
            require(ok, f"data.transform.{name}", given, f"a number, or one for each of {channels} channels")
        return channels, self.size or height, self.size or width

    def _augment(self, images: Tensor, mirrored: Tensor, top: Tensor, left: Tensor) -> Tensor:
        count, device = len(images), images.device
        if self.flip:
            images = torch.where(mirrored.bool()[:, None, None, None], images.flip(-1), images)
        if self.crop_padding:
            height, width = images.shape[-2:]
            padded = F.pad(images, (self.crop_padding,) * 4)
            rows = (top[:, None] + torch.arange(height, device=device))[:, None, :, None]
            columns = (left[:, None] + torch.arange(width, device=device))[:, None, None, :]
            which = torch.arange(count, device=device)[:, None, None, None]
            channel = torch.arange(images.shape[1], device=device)[None, :, None, None]
            images = padded[which, channel, rows, columns]
        return images


def _numbers(value: float | list[float]) -> list[float]:
    return value if isinstance(value, list) else [value]


def _by_channel(value: float | list[float], images: Tensor) -> float | Tensor:
    return torch.tensor(value, device=images.device)[:, None, None] if isinstance(value, list) else value


def _resized(images: Tensor, channels: int, size: tuple[int, int]) -> Tensor:
    """In blocks, so that a large set is never held as floats."""
    if images.shape[1] == channels and tuple(images.shape[-2:]) == size:
        return images
    return torch.cat([_resized_block(block, channels, size) for block in images.split(4096)])


def _resized_block(images: Tensor, channels: int, size: tuple[int, int]) -> Tensor:
    floats = images.to(torch.float32)
    if channels == 1 and floats.shape[1] == 3:
        floats = (floats * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    elif channels == 3 and floats.shape[1] == 1:
        floats = floats.expand(-1, 3, -1, -1)
    if tuple(floats.shape[-2:]) != size:
        floats = F.interpolate(floats, size, mode="bilinear", antialias=True, align_corners=False)
    return floats.round().clamp(0, 255).to(torch.uint8)
