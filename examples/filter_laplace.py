"""Noise for differential privacy on uploaded labels, with the ε it gives in rounds.csv.

Two distributions differ by at most 2 in L1, so Laplace noise of scale b on each probability makes a label 2 / b
differentially private with respect to a client's whole data set, and n labels, of whatever rounds, 2n / b: a pure ε,
without a δ. `scarlet_pl.methods.GaussianNoise` gives a smaller ε for many labels.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from scarlet_pl.errors import require
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.functional.simplex import project
from scarlet_pl.methods import Filter


class LaplaceNoise(Filter):
    """Laplace noise on every probability that a client uploads; the nearest distribution is sent.

    Args:
        scale: b of exp(−|x| / b) / 2b.
    """

    private = True

    def __init__(self, scale: float = 1.0) -> None:
        require(scale > 0, "LaplaceNoise.scale", scale, "a number > 0")
        self.scale = scale

    def __call__(
        self, labels: SoftLabels, draws: torch.Generator, memory: Mapping[str, Tensor]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        uniform = torch.rand(labels.labels.shape, generator=draws, dtype=torch.float64) - 0.5
        noise = -self.scale * uniform.sign() * torch.log1p(-2 * uniform.abs())
        return project(labels.labels + noise).to(labels.labels.dtype), memory

    def metrics(self, asked: Tensor) -> dict[str, float | None]:
        return {"privacy/epsilon": 2 * int(asked.max()) / self.scale}
