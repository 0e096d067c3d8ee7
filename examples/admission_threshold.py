"""A cache that keeps labels the clients are sure of, and asks for more certainty from round to round.

Early labels are made by models that have learnt little: a label whose entropy is above the threshold is made anew when
its sample is drawn again.
"""

import torch
from torch import Tensor

from scarlet_pl.cache import Admission
from scarlet_pl.errors import require


class FallingThreshold(Admission):
    """A label of round r is kept if its entropy is at most start · factor^r.

    Args:
        start: threshold of the first round, in nat.
        factor: by which it changes in a round.
    """

    sees_labels = True

    def __init__(self, start: float = 2.0, factor: float = 0.9) -> None:
        require(start >= 0, "method.cache.admission.start", start, "a number >= 0")
        require(0 < factor <= 1, "method.cache.admission.factor", factor, "a number in (0, 1]")
        self.start, self.factor = start, factor

    def admits(self, labels: Tensor, round: int, draws: torch.Generator) -> Tensor:
        entropy = torch.special.entr(labels).sum(-1)
        return entropy <= self.start * self.factor**round
