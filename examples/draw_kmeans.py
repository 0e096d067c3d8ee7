"""A draw by k-means over image features: the public samples nearest to the centres of so many clusters.

Other clusters in each round, since k-means starts from other samples. Features are the pixels; a network's would do as
well. Source: as coresets by clustering, e.g. Sener and Savarese 2018 (arXiv 1708.00489).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.methods import DrawPolicy, Population, UniformDraw


@dataclass(frozen=True)
class KMeansDraw(DrawPolicy):
    """As many clusters as samples are drawn.

    Args:
        size: samples in a draw.
        iterations: of Lloyd's algorithm.
    """

    size: int = 40
    iterations: int = 10

    sees_samples = True

    def draw(self, population: Population, round: int, predict: Callable[[], Tensor] | None = None) -> Tensor:
        if population.public is None:
            raise ValueError("no samples to look at")
        features = population.public.fields["image"].flatten(1).float()
        centres = features[UniformDraw(self.size).draw(population, round)]
        for _ in range(self.iterations):
            member = torch.cdist(features, centres).argmin(1)
            sums = torch.zeros_like(centres).index_add_(0, member, features)
            count = torch.bincount(member, minlength=self.size)[:, None]
            centres = torch.where(count > 0, sums / count.clamp_min(1), centres)
        return self._nearest(torch.cdist(centres, features), rng.generator(population.seed, "draw", round))

    def _nearest(self, distance: Tensor, draws: torch.Generator) -> Tensor:
        """The nearest sample of each cluster; where two share one, others are drawn at random."""
        chosen = distance.argmin(1).unique()
        others = torch.randperm(distance.shape[1], generator=draws)
        others = others[~torch.isin(others, chosen)][: self.size - len(chosen)]
        return torch.cat([chosen, others]).sort().values
