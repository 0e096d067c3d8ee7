"""What every composition keeps: both sides agree, every byte is counted, nothing is sent that can be derived."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.cache import CachePolicy, RandomShare, Signal
from scarlet_pl.errors import ConfigError
from scarlet_pl.functional.selection import select
from scarlet_pl.methods import ActiveDraw, Distillation, EnhancedERA, FixedDraw, Mean, UniformDraw
from scarlet_pl.wire import Float16, Float32, LabelCodec, Quantized

from .conftest import Scripted, examples, node, scripted, share


def noise(client: int, round: int, request: Tensor) -> Tensor:
    draws = torch.Generator().manual_seed(1000 * round + client)
    return torch.rand(len(request), 3, generator=draws).mul(4).softmax(-1)


class Oracle:
    """A server whose predictions say how often it was asked."""

    asked = 0

    def predict_public(self, indices: Tensor) -> Tensor:
        self.asked += 1
        draws = torch.Generator().manual_seed(self.asked)
        return torch.rand(9, 3, generator=draws).mul(4).softmax(-1)[indices]

    def weights(self) -> dict[str, Tensor]:
        return {}


CODECS = st.sampled_from(
    [Float32(), Float32(True), Float16(), Quantized(1), Quantized(1, True), Quantized(4, True), Quantized(8)]
)


@examples(150)
@given(
    cache=st.sampled_from(
        [None, CachePolicy(0), CachePolicy(2), CachePolicy(3, "refresh"), CachePolicy(None, admission=RandomShare(0.5))]
    ),
    draw=st.sampled_from([UniformDraw(5), FixedDraw(5), UniformDraw(9)]),
    up=CODECS,
    down=CODECS,
    indices=st.sampled_from(["explicit", "seeded"]),
    server_labels=st.sampled_from(["aggregate", "predictions"]),
    participation=st.sampled_from([0.2, 0.6, 1.0]),
)
def test_any_mixture_keeps_both_sides_equal(
    cache: CachePolicy | None,
    draw: UniformDraw,
    up: LabelCodec,
    down: LabelCodec,
    indices: Any,
    server_labels: Any,
    participation: float,
) -> None:
    """Whatever the parts: a client distils the labels that the server broadcasts, whether it was there or not; the
    server aggregates what clients quantised; a state survives its checkpoint."""
    options: dict[str, Any] = {
        "cache": cache, "draw": draw, "uplink_codec": up, "downlink_codec": down, "indices": indices,
        "server_labels": server_labels,
    }  # fmt: skip
    executor, oracle = Scripted(noise), Oracle()
    method = Distillation(EnhancedERA(1.5), **options)
    federation = scripted(method, executor, clients=5, public=9, classes=3, config=share(participation))
    federation.watch = oracle
    last: dict[int, list[float]] = {}
    for round in range(9):
        if round == 5:  # as after a crash: another federation goes on from the state
            state = federation.state_dict()
            method = Distillation(EnhancedERA(1.5), **options)
            federation = scripted(method, executor, clients=5, public=9, classes=3, config=share(participation))
            federation.load_state_dict(state)
            federation.watch = oracle
        phase = federation.run_round(round)
        for labels in executor.given[round].values():
            assert labels == last
        broadcast = method._broadcast
        last = dict(zip(broadcast.draw.tolist(), broadcast.labels.tolist(), strict=True))
        if server_labels == "predictions":  # what goes down is what the server's model says now
            sent = broadcast.signals != Signal.HIT
            labels = oracle.predict_public(broadcast.draw[sent])
            draws = rng.generator(0, "quantize", round)
            last |= dict(zip(broadcast.draw[sent].tolist(), down.quantize(labels, draws).tolist(), strict=True))
            oracle.asked -= 1
        assert phase.outcome.labels is not None
        for client, uploaded in zip(phase.outcome.clients, phase.outcome.labels.votes.labels, strict=True):
            draws = rng.generator(0, "quantize", round, client + 1)
            assert torch.equal(uploaded, up.quantize(noise(client, round, phase.plan.request), draws))


def run_pair(first: Distillation, second: Distillation, part: float = 1.0) -> tuple[Any, Any, Scripted, Scripted]:
    executors = Scripted(noise), Scripted(noise)
    federations = [
        scripted(m, e, clients=4, public=9, classes=3, config=share(part))
        for m, e in zip((first, second), executors, strict=True)
    ]
    for round in range(8):
        for federation in federations:
            federation.run_round(round)
    return (*federations, *executors)


@pytest.mark.parametrize("indices", ["explicit", "seeded"])
def test_cfds_initialisations_without_labels_down(indices: Any) -> None:
    parts: dict[str, Any] = {"client_start": "common", "clients_distill": False, "indices": indices}
    executor = Scripted(noise)
    method = Distillation(Mean(), None, UniformDraw(5), **parts)
    federation = scripted(method, executor, clients=2, public=9, classes=3)
    for round in range(3):
        federation.run_round(round)
    assert federation.ledger.total("down", "labels") == 0
    assert all(labels == {} for told in executor.given.values() for labels in told.values())


@pytest.mark.parametrize("participation", [0.5, 1.0])
def test_seeded_indices_change_bytes_and_nothing_else(participation: float) -> None:
    parts: dict[str, Any] = {"cache": CachePolicy(2), "draw": UniformDraw(5)}
    explicit, seeded, given, given_seeded = run_pair(
        Distillation(Mean(), **parts), Distillation(Mean(), indices="seeded", **parts), participation
    )
    assert given.given == given_seeded.given
    assert seeded.ledger.total("up", "indices") == 0
    assert explicit.ledger.total("up", "indices") > 0
    for part in ("indices", "signals"):
        if participation == 1:
            assert seeded.ledger.total("down", part) == 0
        assert seeded.ledger.total("down", part) < explicit.ledger.total("down", part)
    assert seeded.ledger.total("up", "paper") == explicit.ledger.total("up", "paper")
    assert seeded.ledger.total("down", "paper") == explicit.ledger.total("down", "paper")


def test_a_client_whose_cache_is_another_is_told_everything_again() -> None:
    executor = Scripted(noise)
    method = Distillation(Mean(), CachePolicy(3), FixedDraw(5), indices="seeded")
    federation = scripted(method, executor, clients=2, public=9, classes=3)
    sent = [federation.run_round(round).traffic for round in range(3)]
    node(federation).side.caches._store.rounds.add_(1)  # as if it had missed something that the server knows nothing of
    sent.append(federation.run_round(3).traffic)
    assert executor.given[3][1] == executor.given[3][0]
    assert [each.part("down", "catch_up") > 0 for each in sent] == [False, False, False, True]
    assert federation.run_round(4).traffic.part("down", "catch_up") == 0


def test_delta_saves_where_labels_stay() -> None:
    def still(client: int, round: int, request: Tensor) -> Tensor:
        return noise(client, 0, request)

    sizes = {}
    for delta in (False, True):
        codecs: dict[str, Any] = {"uplink_codec": Quantized(4, delta), "downlink_codec": Quantized(4, delta)}
        method = Distillation(Mean(), None, FixedDraw(200), **codecs)
        federation = scripted(method, Scripted(still), clients=2, public=400, classes=3)
        sizes[delta] = [federation.run_round(round).traffic.part("up", "labels") for round in range(4)]
    assert sizes[True][0] == sizes[False][0] + 2
    assert max(sizes[True][1:]) < 0.2 * min(sizes[False][1:])


def test_selection() -> None:
    p = torch.tensor([[1.0, 0, 0], [0.4, 0.3, 0.3], [0.5, 0.5, 0.0], [0.6, 0.2, 0.2], [0.45, 0.1, 0.45]])
    assert select(p, 2, "entropy").tolist() == [1, 3]
    assert select(p, 2, "certainty").tolist() == [1, 4]
    assert select(p, 2, "margin").tolist() == [2, 4]


@pytest.mark.parametrize("criterion", ["entropy", "certainty", "margin"])
def test_active_draws_take_what_the_server_is_unsure_of(criterion: Any) -> None:
    method = Distillation(Mean(), None, ActiveDraw(3, criterion))
    federation = scripted(method, Scripted(noise), clients=2, public=9, classes=3)
    p = torch.full((9, 3), 0.01)
    p[:, 0] = 0.98
    p[[2, 5, 8]] = torch.tensor([0.4, 0.35, 0.25])

    class Unsure(Oracle):
        def predict_public(self, indices: Tensor) -> Tensor:
            return p[indices]

    federation.watch = Unsure()
    federation.run_round(0)
    assert federation.run_round(1).plan.draw.tolist() == [2, 5, 8]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Distillation(clients_distill=False), r"method\.cache: got .* allowed: null where clients do not"),
        (lambda: Distillation(draw=ActiveDraw(5), indices="seeded"), r"method\.indices: got 'seeded', allowed: expl"),
        (lambda: UniformDraw(0), r"method\.draw\.size: got 0"),
    ],
)
def test_impossible_compositions(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


class Counting(Quantized):
    """Counts the messages whose labels it codes."""

    packed = 0

    def pack(self, labels: Tensor) -> bytes:
        self.packed += 1
        return super().pack(labels)


@pytest.mark.parametrize("delta", [False, True])
def test_what_all_clients_are_sent_is_coded_once(delta: bool) -> None:
    """With delta coding each has its own last labels."""
    codec = Counting(8, delta=delta)
    method = Distillation(Mean(), None, UniformDraw(6), downlink_codec=codec)
    each = scripted(method, Scripted(noise), clients=5, public=9, classes=3)
    each.run_round(0)
    before = codec.packed
    each.run_round(1)
    assert codec.packed - before >= 5 if delta else codec.packed - before == 1
