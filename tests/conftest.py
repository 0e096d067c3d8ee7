"""Small federations, made of nothing but seeds."""

from __future__ import annotations

import os
import shutil

os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings
from torch import Tensor

from scarlet_pl.availability import Availability, Uniform
from scarlet_pl.client import ClientConfig, ClientResult
from scarlet_pl.data import FederatedData, ImageTransform, LabelledSamples, Samples, Split
from scarlet_pl.executors import Answer, Executor, Job, Processes, RunnerSpec, Serial
from scarlet_pl.federation import Federation, FederationConfig
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.methods import Distillation, Method, Population, RoundPlan, ServerView
from scarlet_pl.methods.parts.draws import DrawPolicy
from scarlet_pl.node import Node
from scarlet_pl.round import ClientPhase
from scarlet_pl.server import ServerConfig, ServerModule
from scarlet_pl.transport import Transport
from scarlet_pl.wire import Message

torch.set_num_threads(1)
settings.register_profile("any speed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the long campaigns with all their cases")


def pytest_configure(config: pytest.Config) -> None:
    os.environ["SCARLET_PL_FULL"] = "1" if config.getoption("--full") else ""  # for what is read before fixtures are


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("full") and not config.getoption("--full"):
            item.add_marker(pytest.mark.skip(reason="runs with --full"))


def examples(count: int) -> settings:
    """So many examples of Hypothesis with --full, a fifth of them otherwise."""
    return settings(max_examples=count if os.environ["SCARLET_PL_FULL"] else count // 5)


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether the long campaigns run in full."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def processes() -> Callable[[int], Processes]:
    """Makes an executor of so many processes, also where there are fewer cores."""

    def make(workers: int) -> Processes:
        executor = Processes(workers)
        executor.workers = workers
        return executor

    return make


EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the examples, as the current folder."""
    copy = tmp_path / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns("__pycache__", "logs"))
    monkeypatch.chdir(copy)
    monkeypatch.syspath_prepend(copy)
    return copy


def tiny_data(clients: int = 3, public: int = 12, classes: int = 3, shard: int = 8, seed: int = 0) -> FederatedData:
    """Images of 1 × 4 × 4 whose brightest row says the class."""
    draws = torch.Generator().manual_seed(seed)

    def images(labels: Tensor) -> Tensor:
        noise = torch.randint(0, 100, (len(labels), 1, 4, 4), generator=draws, dtype=torch.uint8)
        noise[torch.arange(len(labels)), 0, labels % 4] += 100
        return noise

    def labelled(count: int) -> LabelledSamples:
        labels = torch.randint(0, classes, (count,), generator=draws)
        return LabelledSamples({"image": images(labels)}, labels)

    train, transform = labelled(clients * shard), ImageTransform()
    return FederatedData(
        train=train,
        test=labelled(clients * 4),
        public=Samples(labelled(public).fields),
        train_shards=Split.equal(torch.arange(clients * shard).view(clients, shard)),
        test_shards=Split.equal(torch.arange(clients * 4).view(clients, 4)),
        num_classes=classes,
        transform=transform,
        network_facts={"num_classes": classes, **transform.facts(train.shapes)},
    )


class ListDraw(DrawPolicy):
    """Draws as listed, one list a round."""

    def __init__(self, draws: list[list[int]]) -> None:
        self.draws, self.size = draws, max(map(len, draws))

    def draw(self, population: Population, round: int, predict: object = None) -> Tensor:
        return torch.tensor(self.draws[min(round, len(self.draws) - 1)], dtype=torch.int64)


class Scripted(Executor):
    """Clients whose predictions come from a function (client, round, requested indices) → (r, N), untrained.

    `given` keeps what each client was given to distil, `given[round][client]`.
    """

    def __init__(self, predict: Callable[[int, int, Tensor], Tensor]) -> None:
        self.predict = predict
        self.given: dict[int, dict[int, dict[int, list[float]]]] = {}

    def setup(self, spec: RunnerSpec) -> None:
        pass

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        for job in jobs:
            task = job.task
            distill, request = task.distill, task.predict
            assert distill is not None
            assert request is not None
            labels = dict(zip(distill.indices.tolist(), distill.labels.tolist(), strict=True))
            self.given.setdefault(task.round, {})[task.client] = labels
            state = {"rounds": torch.tensor([task.round])}
            yield ClientResult(task.client, state, asked=request, labels=self.predict(task.client, task.round, request))


class Still:
    """A server whose predictions and weights never change."""

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def predict_public(self, indices: Tensor) -> Tensor:
        return torch.full((len(indices), self.classes), 1 / self.classes)

    def weights(self) -> dict[str, Tensor]:
        return {}


def share(participation: float, dropout_rate: float = 0.0, **rest: Any) -> FederationConfig:
    """A federation of which so many take part."""
    return FederationConfig(Uniform(participation, dropout_rate), **rest)


class ListedCohorts(Availability):
    """Cohorts as listed, one list a round."""

    def __init__(self, cohorts: list[list[int]]) -> None:
        self.cohorts = cohorts

    def cohort(self, seed: int, round: int, clients: int) -> tuple[int, ...]:
        return tuple(self.cohorts[round])


class CatchUps(Distillation):
    """`Distillation` that keeps how many labels each catch-up held."""

    caught_up: dict[tuple[int, int], int]

    def downlink(self, plan: RoundPlan, client: int) -> Message:
        message = super().downlink(plan, client)
        labels = len(message.parts["catch_up/labels"]) // (4 * self.population.classes)
        if labels:
            self.caught_up[plan.round, client] = labels
        return message


class ScriptedFederation(Federation):
    """A federation with a server to look at."""

    watch: ServerView | None = None

    def run_round(self, round: int, server: ServerView | None = None, *args: Any) -> ClientPhase:
        return super().run_round(round, server or self.watch or Still(self.data.num_classes), *args)


def node(federation: Federation) -> Node:
    """The clients of a federation that has them in this process."""
    assert isinstance(federation.transport, Node)
    return federation.transport


def scripted(
    method: Distillation,
    executor: Executor,
    clients: int = 1,
    public: int = 4,
    classes: int = 2,
    config: FederationConfig | None = None,
) -> ScriptedFederation:
    """A federation whose clients are scripted."""
    return ScriptedFederation(
        tiny_data(clients, public, classes), ClientConfig(), method, executor, config=config or FederationConfig()
    )


def tiny_trainer(
    method: Method,
    rounds: int = 3,
    seed: int = 0,
    data: FederatedData | None = None,
    client: ClientConfig | None = None,
    executor: Executor | None = None,
    transport: Transport | None = None,
    config: FederationConfig | None = None,
    server: ServerConfig | None = None,
    **options: object,
) -> tuple[FederatedTrainer, ServerModule]:
    """A trainer over a tiny federation, and its server."""
    data = data or tiny_data()
    client = client or ClientConfig(models="mlp", epochs=1, distillation_epochs=2, batch_size=4)
    federation = Federation(data, client, method, executor or Serial(), seed, transport, config or FederationConfig())
    learns = server or ServerConfig(model="mlp", epochs=2, batch_size=4)
    module = ServerModule(learns, data, method.server_work, seed)
    return FederatedTrainer(federation, rounds, **{"accelerator": "cpu", **options}), module  # type: ignore[arg-type]
