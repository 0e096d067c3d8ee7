"""Differential privacy of uploaded labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

from scarlet_pl.errors import require
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.functional.simplex import project
from scarlet_pl.methods.parts.filters import Filter, Memory


@dataclass(frozen=True)
class GaussianNoise(Filter):
    """Gaussian noise on every probability that a client uploads; the nearest distribution is sent.

    The labels of all rounds together are (ε, δ)-differentially private with respect to one client's whole data set:
    that another set of any size and content stood in its place. A distribution has an L2 distance of at most √2 from
    any other, so n labels have the sensitivity √(2n), whatever the client learnt. ε is for the labels that a client
    has been asked for so far, of the client that was asked for most; labels that it did not send, or that the server
    did not use, count as well. It is computed from Rényi divergences by `dp-accounting`: an upper bound. What comes
    after the noise (distance to the simplex, further filters, coding) costs nothing.

    Not protected is what a run reports beside the uploads: losses and accuracies of clients, in rounds.csv. The noise
    follows from the run's seed, as everything that is drawn, so ε holds against those who do not know it: in a real
    deployment each client must have a seed that the server does not know.

    Adds `privacy/epsilon` to rounds.csv.

    Args:
        deviation: σ, the standard deviation of the noise on each probability.
        delta: δ, in (0, 1).
    """

    deviation: float = 1.0
    delta: float = 1e-5

    private = True

    def __post_init__(self) -> None:
        ok = 0 < self.deviation < math.inf
        require(ok, "GaussianNoise.deviation", self.deviation, "a number > 0")
        require(0 < self.delta < 1, "GaussianNoise.delta", self.delta, "a number in (0, 1)")
        installed = find_spec("dp_accounting") is not None
        require(installed, "method.uplink_filters", "GaussianNoise", "it with pip install 'scarlet-pl[privacy]'")

    def __call__(self, labels: SoftLabels, draws: torch.Generator, memory: Memory) -> tuple[Tensor, Memory]:
        exact = labels.labels
        return project(exact + self.deviation * torch.randn(exact.shape, generator=draws)), memory

    def metrics(self, asked: Tensor) -> dict[str, float | None]:
        return {"privacy/epsilon": self.epsilon(int(asked.max()))}

    def epsilon(self, labels: int) -> float:
        """ε of so many labels of one client, in whatever rounds: their noise is that of one Gaussian mechanism."""
        if labels == 0:
            return 0.0
        from dp_accounting import GaussianDpEvent, rdp  # loads scipy, which is slow

        accountant = rdp.RdpAccountant()
        accountant.compose(GaussianDpEvent(self.deviation / math.sqrt(2 * labels)))
        return float(accountant.get_epsilon(self.delta))
