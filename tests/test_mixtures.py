"""Whatever the parts: a run that was stopped and went on elsewhere is the run that was not."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch.optim import Adam
from torch.optim.lr_scheduler import StepLR

from scarlet_pl.availability import Deadline, Distribution, Uniform
from scarlet_pl.cache import Admission, AdmitAll, AfterRounds, CachePolicy, LowEntropy, RandomShare
from scarlet_pl.callbacks import RoundCheckpoint
from scarlet_pl.client import ClientConfig
from scarlet_pl.errors import ConfigError
from scarlet_pl.executors import Executor, Serial, Threads
from scarlet_pl.federation import FederationConfig
from scarlet_pl.learning import FedProx, Learner
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.methods import (
    ERA,
    ActiveDraw,
    Aggregator,
    Centroids,
    ClassDistillation,
    Clusters,
    Confident,
    Distillation,
    EnhancedERA,
    FedAvg,
    FixedDraw,
    GaussianNoise,
    GeometricMean,
    KuLSIF,
    LeaveOneOut,
    Mean,
    Method,
    RobustMean,
    Temperature,
    TopK,
    UniformDraw,
)
from scarlet_pl.node import Node
from scarlet_pl.report.estimate import UntrainedServer, estimate
from scarlet_pl.run_files import checkpoints
from scarlet_pl.server import ServerConfig
from scarlet_pl.transport import Transport
from scarlet_pl.wire import DIRECTIONS, Float16, Float32, LabelCodec, Quantized

from .conftest import tiny_data, tiny_trainer
from .far import FarClients, make_node
from .fusions import FUSIONS, SERVERS
from .naive import data_module
from .parts import Chosen, Momentum, NearestOwn

PUBLIC = 12
DELTA = st.booleans()
SIZE = st.integers(2, PUBLIC)  # batch normalisation cannot train on one
CODECS: st.SearchStrategy[LabelCodec] = st.one_of(
    st.builds(Float32, delta=DELTA),
    st.builds(Float16, delta=DELTA),
    st.builds(Quantized, st.sampled_from([1, 2, 8, 16, 32]), delta=DELTA),
)
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "aggregator": st.sampled_from(
        list[Aggregator](
            [
                *(Mean(), ERA(0.1), EnhancedERA(0.5), EnhancedERA(2.0), GeometricMean(), RobustMean(0.4)),
                *(Confident(EnhancedERA(2.0), 1.32), LeaveOneOut(), Clusters(2), Clusters(2, "client")),
            ]
        )
    ),
    "cache": st.none()
    | st.builds(
        CachePolicy,
        duration=st.none() | st.integers(0, 3),
        expiry=st.sampled_from(["paper", "refresh"]),
        admission=st.sampled_from(list[Admission]([AdmitAll(), RandomShare(0.5), LowEntropy(0.9, 2), AfterRounds(2)])),
    ),
    "draw": st.one_of(
        st.builds(UniformDraw, SIZE),
        st.builds(FixedDraw, SIZE),
        st.builds(ActiveDraw, SIZE, st.sampled_from(["entropy", "certainty", "margin"])),
    ),
    "uplink_codec": CODECS,
    "downlink_codec": CODECS,
    "indices": st.sampled_from(["explicit", "seeded"]),
    "client_start": st.sampled_from(["previous", "common"]),
    "clients_distill": st.booleans(),
    "server_labels": st.sampled_from(["aggregate", "predictions"]),
    "selector": st.sampled_from([None, None, None, Chosen(), NearestOwn(0.7), KuLSIF(3.0, 0.2), Centroids(2)]),
    "uplink_filters": st.sampled_from([None, [TopK(2)], [Momentum(PUBLIC), Temperature(0.5)], [GaussianNoise(0.1)]]),
    "downlink_filters": st.sampled_from([None, None, [Momentum(PUBLIC), TopK(2)]]),
    "labelled": st.sampled_from(["public", "public", "public", "classes"]),
}
OF_CLASSES = ("aggregator", "cache", "uplink_codec", "downlink_codec", "uplink_filters", "downlink_filters")
FUSION = {"labelled": st.just("by teachers"), "fusion": st.none() | FUSIONS}
CLIENTS = st.builds(
    ClientConfig,
    models=st.sampled_from(["mlp", ["mlp", {"name": "tests.test_client.Normalised"}]]),
    epochs=st.just(1),
    distillation_epochs=st.just(1),
    batch_size=st.sampled_from([4, 5]),
    keep_optimizer=st.booleans(),
    learner=st.sampled_from([Learner, partial(Learner, temperature=2.0, hard_share=0.3), partial(FedProx, mu=0.2)]),
    lr_scheduler=st.sampled_from([None, None, partial(StepLR, step_size=2, gamma=0.5)]),
    precision=st.sampled_from(["32-true", "32-true", "bf16-mixed"]),
    joint_weight=st.sampled_from([None, None, 0.5]),
    gradient_clip_val=st.sampled_from([None, 0.5]),
    distillation_optimizer=st.none() | st.just(partial(Adam, lr=0.01)),
)
PARTICIPATION, DROPOUT = st.sampled_from([0.4, 0.7, 1.0]), st.sampled_from([0.0, 0.3, 1.0])
CONFIGS = st.builds(
    FederationConfig,
    st.builds(Uniform, PARTICIPATION, DROPOUT)
    | st.builds(
        Deadline,
        PARTICIPATION,
        DROPOUT,
        deadline=st.sampled_from([None, 0.2, 0.3]),
        latency=st.just(Distribution(0.15, "exponential")),
        speed=st.just(Distribution(100.0, "lognormal", 1.0)),
    ),
    store=st.sampled_from(["memory", "disk"]),
)


def make(labelled: str, **parts: Any) -> Method:
    """The method of a mixture; raises `ConfigError`."""
    if "fusion" in parts:
        return FedAvg(**parts)
    if labelled == "public":
        return Distillation(**parts)
    return ClassDistillation(**{name: parts[name] for name in OF_CLASSES})


def fit(
    parts: dict[str, Any],
    client: ClientConfig,
    learns: ServerConfig,
    config: FederationConfig,
    folder: Path,
    rounds: int,
    executor: Executor,
    transport: Transport | None = None,
) -> FederatedTrainer:
    """Run to so many rounds, from the folder's newest checkpoint if it has one."""
    data, saved = tiny_data(clients=4, public=PUBLIC), checkpoints(folder)
    trainer, server = tiny_trainer(
        make(**parts),
        rounds,
        data=data,
        client=client,
        config=config,
        server=learns,
        executor=executor,
        transport=transport,
        callbacks=[RoundCheckpoint(folder)],
    )
    trainer.federation.transport.keep_states_in(folder / "clients")
    trainer.fit(server, data_module(data), str(saved[-1]) if saved else None)
    return trainer


def for_mixtures(count: int, check: Callable[[Method, Callable[..., FederatedTrainer]], None]) -> None:
    """Call `check` with so many mixtures, each as a method and as a function that fits it."""
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much]

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=slow)
    @given(st.sampled_from([PARTS, PARTS, FUSION]).flatmap(st.fixed_dictionaries), CLIENTS, SERVERS, CONFIGS)
    def each(parts: dict[str, Any], client: ClientConfig, learns: ServerConfig, config: FederationConfig) -> None:
        try:
            method = make(**parts)
        except ConfigError:
            assume(False)
        client = replace(client, models=learns.model) if "fusion" in parts else client
        client = client if method.clients_distill else replace(client, joint_weight=None)
        if not parts.get("fusion") and parts["labelled"] != "public":  # the server does not learn
            learns = replace(learns, average_from=None)
        check(method, partial(fit, parts, client, learns, config))

    each()


@pytest.mark.slow
def test_any_mixture_goes_on_where_it_was_stopped(full: bool) -> None:
    """300 mixtures with --full."""

    def check(method: Method, fit: Callable[..., FederatedTrainer]) -> None:
        with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as part:
            uninterrupted = fit(Path(whole), 5, Serial())
            fit(Path(part), 2, Threads(2))
            assert fit(Path(part), 5, Serial()).digest() == uninterrupted.digest()

    for_mixtures(300 if full else 10, check)


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [False, True], ids=["one process", "a fresh process a message"])
def test_any_mixture_gives_the_same_run_with_its_clients_elsewhere(fresh: bool, full: bool) -> None:
    """And where the server is stopped and goes on; clients that stored what they were go back with it to an older
    checkpoint."""

    def check(method: Method, fit: Callable[..., FederatedTrainer]) -> None:
        with tempfile.TemporaryDirectory() as near, tempfile.TemporaryDirectory() as far:
            here = fit(Path(near), 5, Serial())
            parts, client, _, config = fit.args  # type: ignore[attr-defined]
            stored = Path(far) / "stored"
            stored.mkdir()

            def clients() -> Node:
                made = make_node(here.federation.data, client, make(**parts), store=config.store)
                made.keep_states_in(Path(far) / "clients")
                return made

            there = FarClients(clients, stored if fresh else None)
            fit(Path(far), 3, Serial(), there)
            if fresh:
                checkpoints(Path(far))[-1].unlink()
            assert fit(Path(far), 5, Serial(), there).digest() == here.digest()
            there.end()

    for_mixtures(300 if full else 10, check)


@pytest.mark.slow
def test_an_estimate_is_what_any_mixture_sends_or_more(full: bool) -> None:
    """Where no client drops out: an estimate knows nothing of that."""

    def check(method: Method, fit: Callable[..., FederatedTrainer]) -> None:
        run, (parts, client, learns, config) = fit.func, fit.args  # type: ignore[attr-defined]
        available = Uniform(config.availability.participation)
        with tempfile.TemporaryDirectory() as folder:
            trainer = run(parts, client, learns, replace(config, availability=available), Path(folder), 5, Serial())
        federation = trainer.federation
        server = UntrainedServer(trainer.server.network, federation.data.num_classes)
        estimated = estimate(method, config.availability, federation.method.population, 5, server)
        for direction in DIRECTIONS:
            sent = federation.ledger.total(direction)
            at_most = sum(round.bytes[f"bytes/{direction}"] for round in estimated)
            assert sent == at_most if method.exact_sizes else sent <= at_most

    for_mixtures(300 if full else 10, check)
