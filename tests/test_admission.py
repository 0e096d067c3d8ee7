"""Which labels the cache keeps."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scarlet_pl.cache import Admission, AdmitAll, AfterRounds, CachePolicy, LowEntropy, RandomShare, Signal
from scarlet_pl.errors import ConfigError
from scarlet_pl.methods import Distillation, Mean
from scarlet_pl.wire import Quantized

from .conftest import ListDraw, Scripted, scripted

UNCACHED, HIT, NEW, EXPIRED = Signal.UNCACHED, Signal.HIT, Signal.NEW, Signal.EXPIRED
LABELS = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.5, 0.5], [0.9, 0.1], [1.0, 0.0]])
STORED = torch.tensor([-1, -1, 0, 0, 4], dtype=torch.int32)


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("admission", "paper", "refresh"),
    [
        (AdmitAll(), [NEW, NEW, EXPIRED, EXPIRED, HIT], [NEW, NEW, NEW, NEW, HIT]),
        (LowEntropy(0.5), [UNCACHED, NEW, EXPIRED, EXPIRED, HIT], [UNCACHED, NEW, EXPIRED, NEW, HIT]),
        (AfterRounds(6), [UNCACHED, UNCACHED, EXPIRED, EXPIRED, HIT], [UNCACHED, UNCACHED, EXPIRED, EXPIRED, HIT]),
        (AfterRounds(5), [NEW, NEW, EXPIRED, EXPIRED, HIT], [NEW, NEW, NEW, NEW, HIT]),
    ],
)
def test_worked_examples(admission: Admission, paper: list[Signal], refresh: list[Signal]) -> None:
    """In round 5 with D = 2; the labels' entropies are .69, .33, .69, .33, 0 nat."""
    for expiry, expected in (("paper", paper), ("refresh", refresh)):
        policy = CachePolicy(2, expiry, admission)  # type: ignore[arg-type]
        assert policy.signals(STORED, 5, draws(), LABELS).tolist() == expected
        if not admission.sees_labels:
            assert policy.signals(STORED, 5, draws()).tolist() == expected


@given(st.integers(0, 60), st.integers(0, 1000), st.integers(0, 2**31))
def test_a_random_share_leaves_out_the_end_of_a_permutation(count: int, thousandths: int, seed: int) -> None:
    """Of those that could be kept, in the order of their samples."""
    stored = torch.where(torch.arange(count) % 3 == 0, 0, -1)
    absent = [i for i in range(count) if i % 3]
    order = torch.randperm(len(absent), generator=torch.Generator().manual_seed(seed)).tolist()
    kept = {absent[place] for place in order[: thousandths * len(absent) // 1000]}
    policy = CachePolicy(9, admission=RandomShare(thousandths / 1000))
    signals = policy.signals(stored, 3, torch.Generator().manual_seed(seed)).tolist()
    assert signals == [HIT if i % 3 == 0 else NEW if i in kept else UNCACHED for i in range(count)]


def test_low_entropy_is_in_nat() -> None:
    labels = torch.tensor([[0.25] * 4, [0.5, 0.5, 0, 0], [1.0, 0, 0, 0]])
    for threshold, kept in ((math.log(4) + 1e-6, 3), (math.log(4) - 1e-6, 2), (math.log(2) - 1e-6, 1), (0, 1)):
        assert int(LowEntropy(threshold).admits(labels, 0, draws()).sum()) == kept


def test_after_some_rounds_unsure_labels_are_kept_too() -> None:
    labels = torch.tensor([[0.25] * 4, [1.0, 0, 0, 0]])
    found = [LowEntropy(0.5, rounds=3).admits(labels, round, draws()).tolist() for round in (0, 2, 3, 9)]
    assert found == [[False, True], [False, True], [True, True], [True, True]]
    with pytest.raises(ConfigError, match=r"method\.cache\.admission\.rounds: got -1"):
        LowEntropy(rounds=-1)


class Coded(Admission):
    """Keeps what it was shown."""

    sees_labels = True

    def __init__(self) -> None:
        self.shown: list[list[float]] = []

    def admits(self, labels: Tensor, round: int, draws: torch.Generator) -> Tensor:
        self.shown.append(labels[:, 0].tolist())
        return labels[:, 0] > 0.5


def mixed(client: int, round: int, request: Tensor) -> Tensor:
    p = torch.where(request % 2 == 0, 0.9, 0.2)
    return torch.stack([p, 1 - p], 1)


@pytest.mark.parametrize("server_labels", ["aggregate", "predictions"])
def test_it_goes_by_the_labels_as_they_are_sent(server_labels: Any) -> None:
    """Rounded to one bit, and those of the server's model where these are sent: of that samples 0 and 2 are kept."""

    class Server:
        def predict_public(self, indices: Tensor) -> Tensor:
            return mixed(0, 0, indices)

        def weights(self) -> dict[str, Tensor]:
            return {}

    admission, executor = Coded(), Scripted(lambda client, round, asked: mixed(0, 0, asked))
    if server_labels == "predictions":
        executor.predict = lambda client, round, asked: mixed(0, 0, asked + 1)
    policy = CachePolicy(None, admission=admission)
    method = Distillation(Mean(), policy, ListDraw([[0, 1, 2, 3]]), downlink_codec=Quantized(1),
                          server_labels=server_labels)  # fmt: skip
    federation = scripted(method, executor, clients=2)
    federation.watch = Server()
    requests = [federation.run_round(round).plan.request.tolist() for round in range(3)]
    assert requests == [[0, 1, 2, 3], [1, 3], [1, 3]]
    assert admission.shown[-1] == [0.0, 0.0] if server_labels == "aggregate" else [1.0, 1.0]
    assert executor.given[2][0] == {0: [1, 0], 1: [0, 1], 2: [1, 0], 3: [0, 1]}


@pytest.mark.parametrize("answer", [torch.ones(3), torch.ones(2).bool()])
def test_an_admissions_mistake_is_named(answer: Tensor) -> None:
    class Spoilt(Admission):
        def admits(self, labels: Tensor, round: int, draws: torch.Generator) -> Tensor:
            return answer

    with pytest.raises(ValueError, match=r"admission Spoilt gave .* for 3 labels, not one bool for each"):
        CachePolicy(1, admission=Spoilt()).signals(torch.full((3,), -1), 0, draws())
