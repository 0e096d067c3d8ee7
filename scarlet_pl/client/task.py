"""What a client is asked, what it answers, and how it is configured: data, no code.

Methods write tasks and never touch a client's model, so any executor can run any method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from scarlet_pl.errors import require
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.learning import Learner, LearnerCallable, OptimizerCallable, SchedulerCallable, sgd
from scarlet_pl.models import ModelSpec
from scarlet_pl.wire.fields import Buffer

State = Mapping[str, Tensor]
"""A network's parameters and buffers by name."""

Stage = Literal["train", "distill"]
"""What a client's network learns from: its private samples, or public soft labels."""


@dataclass(frozen=True)
class ClientTask:
    """What one client does in one round, in this order.

    Args:
        client, round: who and when; they decide the client's random draws.
        start: from the client's own weights, from the one random network that all clients share, or from `weights`.
        weights: encoded, as `wire.weights` reads them.
        distill: soft labels to distil on first, or while training where `ClientConfig.joint_weight` says so.
        train: whether to train on the client's own shard.
        predict: indices (r,) whose soft labels to return.
        labels_of: what indices in `distill` and `predict` are: public samples, or classes. A class's label is distilled
            on the client's own samples of it, and predicted as the mean over them; of a class that it has not, there
            is none.
        evaluate: whether to measure the learner's metrics on the client's test shard.
    """

    client: int
    round: int
    start: Literal["previous", "common", "received"] = "previous"
    weights: Buffer | None = None
    distill: SoftLabels | None = None
    train: bool = False
    predict: Tensor | None = None
    labels_of: Literal["public", "classes"] = "public"
    evaluate: bool = False

    @property
    def only_looks(self) -> bool:
        """Whether the weights stay as they are, and need not come back: a test, or a teacher's labels."""
        labels = self.start == "received" and self.predict is not None
        return (self.evaluate or labels) and not self.train and self.distill is None


@dataclass(frozen=True)
class ClientResult:
    """What came of a task: the weights, the size of the shard, soft labels (r, N) of
    what was `asked`, (r,). Losses are means over the steps, None for what was not done; `metrics` are those of the test
    shard by name. `optimizers` is their state where it is kept, `steps` how many they took.
    """

    client: int
    state: State
    samples: int = 0
    asked: Tensor | None = None
    labels: Tensor | None = None
    distill_loss: float | None = None
    train_loss: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    optimizers: State = field(default_factory=dict)
    steps: int = 0

    def predictions(self, public_size: int, classes: int) -> SoftLabels:
        """What the client predicted, in ascending order of what it was asked for.

        Raises:
            ValueError: it is not what a client can have been asked for.
        """
        who, labels = f"client {self.client}", self.labels
        if labels is None or self.asked is None:
            raise ValueError(f"{who} was not asked for predictions")
        shape, wanted = tuple(labels.shape), (len(self.asked), classes)
        if shape != wanted:
            raise ValueError(f"{who} predicted soft labels of shape {shape}, asked for {wanted}")
        asked, order = self.asked.sort()
        if len(asked) and (asked[0] < 0 or asked[-1] >= public_size or bool((asked.diff() <= 0).any())):
            raise ValueError(f"{who} predicted a sample twice, or one that there is not")
        return SoftLabels(asked, labels[order])


@dataclass(frozen=True)
class ClientFailure:
    """A client that did not finish its task, and why."""

    client: int
    error: Exception


@dataclass(frozen=True)
class ClientConfig:
    """How clients learn.

    Args:
        models: a model, or a list of models that are given to clients in turn (client k gets the k-th, counted
            round the list). A model is a name or a mapping with `name` and its arguments.
        learner: what the clients' losses and metrics are; a class of your own by its path.
        optimizer: of local training.
        distillation_optimizer: of distillation; as `optimizer` when null.
        keep_optimizer: whether the optimizers go on with their state (momentum, Adam's moments) from the last round in
            which the client took part, as in the official codes; if not, they are new in every round.
        lr_scheduler: of both optimizers, a step a round; their learning rates stay as they are when null.
        gradient_clip_val: norm to which a step's gradient is clipped; not at all when null.
        joint_weight: λ of private loss + λ · distillation loss, the next batch of soft labels with each batch of the
            shard; null distils before local training, in steps of its own.
        epochs: passes over the client's shard in a round.
        distillation_epochs: passes over the public draw in a round; with `joint_weight` as many as the shard's steps
            ask for.
        batch_size: samples in a step of local training.
        distillation_batch_size: samples in a step of distillation.
        precision: "32-true", or "bf16-mixed" for bfloat16 where torch's autocast deems it safe.
        channels_last: whether images and weights lie channel by channel in a pixel, which convolutions run faster on.
    """

    models: ModelSpec | list[ModelSpec] = "cnn"
    learner: LearnerCallable = Learner
    optimizer: OptimizerCallable = sgd
    distillation_optimizer: OptimizerCallable | None = None
    keep_optimizer: bool = False
    lr_scheduler: SchedulerCallable | None = None
    gradient_clip_val: float | None = None
    joint_weight: float | None = None
    epochs: int = 5
    distillation_epochs: int = 5
    batch_size: int = 50
    distillation_batch_size: int = 50
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    channels_last: bool = False

    def __post_init__(self) -> None:
        require(self.precision in ("32-true", "bf16-mixed"), "client.precision", self.precision, "32-true, bf16-mixed")
        for name in ("epochs", "distillation_epochs", "batch_size", "distillation_batch_size"):
            value = getattr(self, name)
            require(value >= 1, f"client.{name}", value, "an integer >= 1")
        clip = self.gradient_clip_val
        require(clip is None or clip > 0, "client.gradient_clip_val", clip, "a number > 0, or null")
        joint = self.joint_weight
        require(joint is None or joint > 0, "client.joint_weight", joint, "a number > 0, or null")
        require(bool(self.models), "client.models", self.models, "a model or a list of models")

    @property
    def architectures(self) -> list[ModelSpec]:
        """The models as a list."""
        return list(self.models) if isinstance(self.models, list) else [self.models]
