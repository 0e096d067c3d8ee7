"""The mean of the server's weights over the steps of a round."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from scarlet_pl.errors import require


class StepAverage:
    """Stochastic weight averaging within a round, as FedBE's server has it: after the last step the network's weights
    become their mean over some of the steps.

    Buffers, such as the statistics of batch normalisation, are averaged as parameters are; integers, which count
    batches, are those of the last step that counts.

    Source: Izmailov et al. 2018 (arXiv 1803.05407); Chen and Chao 2021 (arXiv 2009.01974).

    Args:
        first: the first step after which the weights count, from 1 on.
        every: steps from there to the next after which they do.
        steps: of a round.

    Raises:
        ConfigError: a round has not so many steps.
    """

    def __init__(self, first: int, every: int, steps: int) -> None:
        allowed = f"at most {steps}, the server's steps in a round" if steps else "null: the server does not learn"
        require(first <= steps, "server.average_from", first, allowed)
        self._first, self._every, self._steps = first, every, steps
        self._mean: AveragedModel | None = None

    def after_step(self, step: int, network: nn.Module) -> None:
        """After so many steps of the round."""
        if step == self._first:  # what it holds before its first update does not count
            self._mean = AveragedModel(network, avg_fn=_mean, use_buffers=True)
        if self._mean is None:
            return
        if (step - self._first) % self._every == 0:
            self._mean.update_parameters(network)
        if step == self._steps:
            network.load_state_dict(self._mean.module.state_dict())
            self._mean = None


def _mean(mean: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
    """The mean of `count` values and one more."""
    return mean + (now - mean) / (count + 1) if mean.is_floating_point() else now
