"""Learning rates over rounds."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from scarlet_pl.errors import ConfigError, where
from scarlet_pl.learning.learner import Learner

SchedulerCallable = Callable[[Optimizer], LRScheduler]
"""A torch scheduler as the configuration gives it: a function of the optimizer. It takes a step a round."""


def make_scheduler(make: SchedulerCallable, optimizer: Optimizer, field: str) -> LRScheduler:
    """A scheduler of the optimizer; raises `ConfigError` where it takes no such arguments, or cannot step."""
    try:
        return make(optimizer)
    except Exception as error:  # whatever a scheduler, also a user's, says of its arguments
        kinds = [each.__name__ for each in getattr(make, "args", ()) if isinstance(each, type)]
        raise ConfigError(field, (kinds or [str(make)])[0], f"what it takes ({where(error)})") from error


class RoundSchedule:
    """A scheduler's learning rates as a function of the round: clients make their optimizers anew. What else a
    scheduler changes, such as momentum, stays as it is.

    Args:
        make: the scheduler.
        make_optimizer: a new optimizer of a learner, like those that are scheduled.
        learner: stays as it is.
        field: the configuration's name for the scheduler.

    Raises:
        ConfigError: the scheduler cannot be made, or wants more than the number of the round.
    """

    def __init__(
        self, make: SchedulerCallable, make_optimizer: Callable[[Learner], Optimizer], learner: Learner, field: str
    ) -> None:
        # of a learner of its own, which never has gradients: the scheduler wants its optimizer to step
        self._optimizer = make_optimizer(deepcopy(learner).to("meta"))
        self._scheduler = make_scheduler(make, self._optimizer, field)
        self._rates: list[list[float]] = []
        self._field = field
        self.check(2)

    def check(self, rounds: int) -> None:
        """Raise `ConfigError` if the schedule does not last for so many rounds."""
        self._extend(rounds)

    def apply(self, optimizer: Optimizer, round: int) -> None:
        """Give the optimizer's groups the learning rates of this round."""
        self._extend(round + 1)
        for group, rate in zip(optimizer.param_groups, self._rates[round], strict=True):
            group["lr"] = rate

    def _extend(self, rounds: int) -> None:
        while len(self._rates) < rounds:
            self._rates.append([float(group["lr"]) for group in self._optimizer.param_groups])
            try:
                self._optimizer.step()  # there are no gradients; torch warns of schedulers that step first
                self._scheduler.step()
            except Exception as error:  # ReduceLROnPlateau wants a loss
                kind = type(self._scheduler).__name__
                allowed = f"a scheduler of the round alone, for all rounds ({where(error)})"
                raise ConfigError(self._field, kind, allowed) from error
