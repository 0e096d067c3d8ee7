"""The cache: worked traces with their bytes, and the law that both sides agree."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scarlet_pl.cache import AfterRounds, CachePolicy, LowEntropy, RandomShare, Signal
from scarlet_pl.errors import ConfigError
from scarlet_pl.federation import FederationConfig
from scarlet_pl.methods import ERA, Distillation, Mean

from .conftest import CatchUps, ListDraw, ListedCohorts, Scripted, examples, scripted, share

DRAWS = [[0, 1, 2], [0, 3], [0, 1, 3], [0, 3], [0, 1, 2], [0, 1], [0, 1, 2], [0], [0]]


def by_round(client: int, round: int, request: Tensor) -> Tensor:
    """Labels that say in which round they were made: (p, 1 - p) with p = (round + 1) / 100."""
    p = torch.full((len(request),), (round + 1) / 100)
    return torch.stack([p, 1 - p], 1)


def made_in(labels: dict[int, list[float]]) -> dict[int, int]:
    return {index: round(row[0] * 100) - 1 for index, row in labels.items()}


def test_trace_over_eight_rounds() -> None:
    """Worked by hand: D = 2, N = 2, full participation."""
    executor = Scripted(by_round)
    method = Distillation(Mean(), CachePolicy(2), ListDraw(DRAWS))
    federation = scripted(method, executor)
    requests, used, caches, sent = [], [], [], []
    for round in range(8):
        phase = federation.run_round(round)
        sent.append(phase.traffic)
        requests.append(phase.plan.request.tolist())
        targets = phase.outcome.targets
        used.append(made_in(dict(zip(targets.indices.tolist(), targets.labels.tolist(), strict=True))))
        caches.append({i: r for i, r in enumerate(method.cache.stored.tolist()) if r >= 0})
    federation.run_round(8)
    assert requests == [[0, 1, 2], [3], [], [0], [0, 1, 2], [1], [2], [0]]
    assert used == [
        {0: 0, 1: 0, 2: 0},
        {0: 0, 3: 1},
        {0: 0, 1: 0, 3: 1},
        {0: 3, 3: 1},
        {0: 4, 1: 4, 2: 4},
        {0: 4, 1: 5},
        {0: 4, 1: 5, 2: 6},
        {0: 7},
    ]
    assert caches == [
        {0: 0, 1: 0, 2: 0},
        {0: 0, 1: 0, 2: 0, 3: 1},
        {0: 0, 1: 0, 2: 0, 3: 1},
        {1: 0, 2: 0, 3: 1},
        {0: 4, 3: 1},
        {0: 4, 1: 5, 3: 1},
        {0: 4, 1: 5, 2: 6, 3: 1},
        {1: 5, 2: 6, 3: 1},
    ]
    # the client distils in round r + 1 just what the server distilled in round r, in an all-hit round too
    assert [made_in(executor.given[r + 1][0]) for r in range(8)] == used
    assert [each.part("up", "paper") for each in sent] == [48, 16, 0, 16, 48, 16, 16, 16]
    assert [each.part("down", "paper") for each in sent] == [24, 80, 40, 56, 64, 80, 48, 64]


def test_ds_fl_bytes_for_the_same_draws() -> None:
    federation = scripted(Distillation(ERA(0.1), None, ListDraw(DRAWS)), Scripted(by_round))
    sent = [federation.run_round(round).traffic for round in range(8)]
    assert [each.part("up", "paper") for each in sent] == [48, 32, 48, 32, 48, 32, 48, 16]
    assert [each.part("down", "paper") for each in sent] == [24, 64, 56, 64, 56, 64, 56, 56]


def test_catch_up_trace_under_partial_participation() -> None:
    """Worked by hand. The official code sends a label more in round 5 (it expires at once) and deletions
    of entries that are overwritten or never used; ours sends what the client lacks of the draw."""
    executor = Scripted(by_round)
    method = CatchUps(Mean(), CachePolicy(2), ListDraw(DRAWS))
    method.caught_up = {}
    cohorts = ListedCohorts([[0, 1], [0], [0], [1], [0, 1], [1], [0], [0, 1], [0, 1]])
    federation = scripted(method, executor, clients=2, config=FederationConfig(cohorts))
    for round in range(9):
        federation.run_round(round)
    assert method.caught_up == {(3, 1): 3, (6, 0): 1, (7, 1): 1}
    assert made_in(executor.given[3][1]) == {0: 0, 1: 0, 3: 1}
    assert made_in(executor.given[6][0]) == {0: 4, 1: 5}
    assert made_in(executor.given[7][1]) == {0: 4, 1: 5, 2: 6}


@examples(120)
@given(
    duration=st.one_of(st.none(), st.integers(0, 5)),
    expiry=st.sampled_from(["paper", "refresh"]),
    ratio=st.sampled_from([0.0, 0.4, 1.0]),
    participation=st.sampled_from([0.2, 0.5, 1.0]),
    seed=st.integers(0, 10_000),
)
def test_clients_always_distil_what_the_server_distilled(
    duration: int | None, expiry: Literal["paper", "refresh"], ratio: float, participation: float, seed: int
) -> None:
    draws = torch.Generator().manual_seed(seed)
    sizes = torch.randint(1, 8, (12,), generator=draws).tolist()
    drawn = [sorted(torch.randperm(7, generator=draws)[:size].tolist()) for size in sizes]

    def predict(client: int, round: int, request: Tensor) -> Tensor:
        noise = torch.Generator().manual_seed(100 * round + client)
        return torch.rand(len(request), 3, generator=noise).softmax(-1)

    executor = Scripted(predict)
    policy = CachePolicy(duration, expiry, RandomShare(ratio))
    method = Distillation(Mean(), policy, ListDraw(drawn))
    federation = scripted(method, executor, clients=5, public=7, classes=3, config=share(participation))
    last: dict[int, list[float]] = {}
    naive: dict[int, int] = {}  # an independent model of the rule: index → round stored
    for round in range(12):
        expected = [i for i in drawn[round] if not (i in naive and (duration is None or round - naive[i] <= duration))]
        phase = federation.run_round(round)
        assert phase.plan.request.tolist() == expected
        for labels in executor.given[round].values():
            assert labels == last
        targets = phase.outcome.targets
        last = dict(zip(targets.indices.tolist(), targets.labels.tolist(), strict=True))
        stored = {i: r for i, r in enumerate(method.cache.stored.tolist()) if r >= 0}
        for i in drawn[round]:
            if i not in expected:
                assert stored[i] == naive[i]
            elif i in naive and expiry == "paper":
                assert i not in stored
            elif i in naive and ratio == 1:
                assert stored[i] == round
            elif i in naive:
                assert stored.get(i) in (None, round)
        if ratio == 1 and duration != 0:
            assert all(i in stored for i in expected if i not in naive)
        if ratio == 0 or duration == 0:
            assert not stored
        naive = stored


def test_the_rule() -> None:
    stored = torch.tensor([-1, 0, 3, 4, 5], dtype=torch.int32)
    assert CachePolicy(2).hits(stored, 5).tolist() == [False, False, True, True, False]
    assert CachePolicy(None).hits(stored, 5).tolist() == [False, True, True, True, False]
    assert CachePolicy(0).hits(stored, 5).tolist() == [False] * 5
    draws = torch.Generator().manual_seed(0)
    new, hit, old, none = Signal.NEW, Signal.HIT, Signal.EXPIRED, Signal.UNCACHED
    assert CachePolicy(2).signals(stored[:4], 5, draws).tolist() == [new, old, hit, hit]
    assert CachePolicy(2, "refresh").signals(stored[:4], 5, draws).tolist() == [new, new, hit, hit]
    assert CachePolicy(0).signals(stored[:4], 5, draws).tolist() == [none] * 4
    empty = torch.full((10,), -1)
    assert (CachePolicy(2, admission=RandomShare(0.35)).signals(empty, 5, draws) == new).sum() == 3


def test_request_rate_of_the_rule() -> None:
    """A renewal argument gives f = 2 / (2 + qD) in the long run, here within 3 % over 1,500 rounds."""
    for duration, expiry, expected in ((25, "paper", 0.444), (50, "paper", 2 / 7), (25, "refresh", 1 / 3.5)):
        policy = CachePolicy(duration, expiry)  # type: ignore[arg-type]
        stored = torch.full((1000,), -1, dtype=torch.int32)
        requested, draws = 0, torch.Generator().manual_seed(0)
        for round in range(1500):
            draw = torch.randperm(1000, generator=draws)[:100]
            signals = policy.signals(stored[draw], round, draws)
            requested += int((signals != Signal.HIT).sum()) if round >= 200 else 0
            stored[draw[signals == Signal.NEW]] = round
            stored[draw[signals == Signal.EXPIRED]] = -1
        assert requested / 130_000 == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: CachePolicy(-1), "duration"),
        (lambda: CachePolicy(1, "never"), "expiry"),  # type: ignore[arg-type]
        (lambda: RandomShare(1.5), "admission.ratio"),
        (lambda: LowEntropy(-0.1), "admission.threshold"),
        (lambda: AfterRounds(-1), "admission.rounds"),
        (lambda: CachePolicy(1, admission=None), "admission"),  # type: ignore[arg-type]
    ],
)
def test_bad_parameters(make: object, field: str) -> None:
    with pytest.raises(ConfigError, match=rf"method\.cache\.{field}: got"):
        make()  # type: ignore[operator]
