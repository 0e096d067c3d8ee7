"""What the server learns, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from scarlet_pl.errors import require
from scarlet_pl.learning import Learner, LearnerCallable, OptimizerCallable, SchedulerCallable, sgd
from scarlet_pl.models import ModelSpec


@dataclass(frozen=True)
class ServerConfig:
    """How the server learns.

    Args:
        model: a name, or a mapping with `name` and its arguments.
        learner: what the server's losses and metrics are; a class of your own by its path.
        optimizer: of distillation.
        keep_optimizer: whether the optimizer goes on with its state from round to round; if not, it is new in each.
        lr_scheduler: of the optimizer, a step a round; its learning rate stays as it is when null.
        epochs: distillation passes over the public draw in a round.
        batch_size: samples in a step, over all ranks.
        average_from: the step of a round from which on the weights are averaged: a round then ends with their mean
            (SWA), of parameters and buffers; not averaged when null.
        average_every: steps from one that counts for this mean to the next.
    """

    model: ModelSpec = "cnn"
    learner: LearnerCallable = Learner
    optimizer: OptimizerCallable = sgd
    keep_optimizer: bool = True
    lr_scheduler: SchedulerCallable | None = None
    epochs: int = 5
    batch_size: int = 50
    average_from: int | None = None
    average_every: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "average_from", "average_every"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"server.{name}", value, "an integer >= 1")
        ok = self.average_from is not None or self.average_every == 1
        require(ok, "server.average_every", self.average_every, "only together with server.average_from")


@dataclass(frozen=True)
class ServerWork:
    """What the server trains on in a round: so many samples of the public set, of the private data, or nothing."""

    pool: Literal["public", "private", "nothing"]
    samples: int = 0


class Stateful(Protocol):
    """What has a state that can be saved."""

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...
