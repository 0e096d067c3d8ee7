"""Every client's labels: what becomes of them, of those that nobody sent, and of labels of a client's own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scarlet_pl.cache import CachePolicy
from scarlet_pl.executors import Answer, Job
from scarlet_pl.federation import FederationConfig
from scarlet_pl.functional.aggregation import mean
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods import Aggregator, Confident, Consensus, Distillation, EnhancedERA, LeaveOneOut, Mean, Votes
from scarlet_pl.methods.parts.aggregators import ERA
from scarlet_pl.wire import Float16, Quantized

from .conftest import ListDraw, ListedCohorts, Scripted, scripted
from .parts import Chosen
from .test_methods import noise

A, B, C, D = (0.8, 0.1, 0.1), (0.2, 0.6, 0.2), (0.6, 0.3, 0.1), (0.3, 0.3, 0.4)
NONE = (0.0, 0.0, 0.0)


class Some(Scripted):
    """Clients that send labels of some samples: labels by (client, sample)."""

    def __init__(self, labels: dict[tuple[int, int], tuple[float, ...]]) -> None:
        super().__init__(lambda k, round, asked: torch.tensor([labels[k, i] for i in asked.tolist()]).view(-1, 3))
        self.labels = labels

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        for job in jobs:
            assert job.task.predict is not None
            asked = [i for i in job.task.predict.tolist() if (job.task.client, i) in self.labels]
            yield from super().run([replace(job, task=replace(job.task, predict=torch.tensor(asked).long()))])


def votes() -> Votes:
    """Three samples, three clients: the first two samples have two senders each, the last has none."""
    labels = torch.tensor([[A, B, NONE], [C, NONE, NONE], [NONE, D, NONE]])
    return Votes(labels, (labels.sum(-1) > 0).float())


def test_masked_mean_worked_example() -> None:
    found = Mean().combine(votes())
    assert torch.allclose(found.mean, torch.tensor([[0.7, 0.2, 0.1], [0.25, 0.45, 0.3], NONE]))
    assert found.kept.tolist() == [True, True, False]
    for sharp in (ERA(), EnhancedERA(2)):
        found = sharp.combine(votes())
        assert torch.equal(found.labels[:2], sharp.sharpen(found.mean[:2]))
        assert bool(torch.isfinite(found.labels).all())


@pytest.mark.parametrize(("threshold", "kept"), [(0.5, []), (1.0, [0]), (1.2, [0, 1]), (2.0, [0, 1])])
def test_confident_worked_example(threshold: float, kept: list[int]) -> None:
    found = Confident(EnhancedERA(2), threshold).combine(votes())
    assert found.kept.nonzero()[:, 0].tolist() == kept
    assert torch.equal(found.labels, EnhancedERA(2).combine(votes()).labels)


@given(st.integers(1, 6), st.integers(0, 5), st.integers(0, 2**31))
def test_votes_of_equal_weight_are_votes_without(clients: int, samples: int, seed: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    labels = torch.rand(clients, samples, 4, generator=draws).softmax(-1)
    ones = torch.ones(clients, samples)
    assert torch.equal(mean(labels, ones), mean(labels))
    assert torch.equal(mean(labels, ones[:, 0] if samples else torch.ones(clients)), mean(labels))
    without, weighted = (EnhancedERA(1.5).combine(Votes(labels, weights)) for weights in (None, ones))
    assert torch.equal(without.labels, weighted.labels)
    assert torch.equal(Confident(Mean(), 2.0).combine(Votes(labels)).kept, without.kept)


@given(st.integers(1, 5), st.integers(0, 2**31))
def test_the_weighted_mean_is_that_of_each_sample(clients: int, seed: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    labels = torch.rand(clients, 4, 3, generator=draws).softmax(-1)
    weights = torch.rand(clients, 4, generator=draws) * (torch.rand(clients, 4, generator=draws) < 0.6)
    found = mean(labels, weights)
    for sample in range(4):
        total = sum(weights[k, sample].double() for k in range(clients))
        by_hand = sum(weights[k, sample].double() * labels[k, sample].double() for k in range(clients))
        expected = by_hand / total if total > 0 else torch.zeros(3).double()
        assert torch.allclose(found[sample].double(), expected, atol=1e-6)


UPLOADS = {(0, 2): A, (1, 2): A, (0, 5): A, (0, 9): B, (1, 5): C}


@pytest.mark.parametrize(
    ("aggregator", "drawn", "slots"),
    [(Mean(), [2, 5, 9], [2, 5, 9, 2]), (Confident(Mean(), 0.7), [2, 5], [2, 5, 2, 5])],
)
def test_partial_uploads_worked_example(aggregator: Aggregator, drawn: list[int], slots: list[int]) -> None:
    """Sample 2 is cached; of the requested 5, 7 and 9 nobody labels 7. Bytes: indices, labels, 29 of frame."""
    executor = Some(UPLOADS)
    parts: dict[str, Any] = {"selector": Chosen()}
    method = Distillation(aggregator, CachePolicy(3), ListDraw([[2], [2, 5, 7, 9], [7]]), **parts)
    federation = scripted(method, executor, clients=2, public=12, classes=3)
    federation.run_round(0)
    phase = federation.run_round(1)
    assert phase.plan.request.tolist() == [5, 7, 9]
    assert phase.outcome.labels is not None
    assert phase.outcome.targets is not None
    assert phase.outcome.labels.drawn.indices.tolist() == drawn
    assert phase.outcome.labels.ages.tolist() == [1, 0, 0][: len(drawn)]
    assert phase.outcome.targets.indices.tolist() == slots
    assert torch.allclose(phase.outcome.labels.consensus.mean[0], torch.tensor([0.7, 0.2, 0.1]))
    up = phase.traffic
    assert [up.total("up"), up.part("up", "indices"), up.part("up", "labels")] == [56 + 43, 3 + 2, 24 + 12]
    assert up.part("up", "paper") == 40 + 20
    # 7 is nobody's: an empty upload is its frame, the server has nothing to distil, and the next round goes on
    phase = federation.run_round(2)
    assert phase.traffic.total("up") == 2 * 29
    assert phase.outcome.targets is None
    assert sorted(executor.given[2][0]) == drawn
    federation.run_round(3)
    assert executor.given[3][0] == {}


def test_a_short_draw_is_gone_through_again() -> None:
    labels = SoftLabels(torch.tensor([4, 6]), torch.eye(2))
    again = labels.filled(5)
    assert again is not None
    assert again.indices.tolist() == [4, 6, 4, 6, 4]
    assert torch.equal(again.labels, torch.eye(2)[[0, 1, 0, 1, 0]])
    assert labels.filled(2) is labels
    assert SoftLabels(torch.zeros(0).long(), torch.zeros(0, 2)).filled(3) is None


@pytest.mark.parametrize("codec", [None, Float16(), Quantized(4, delta=True)])
def test_labels_of_a_clients_own_reach_it_and_nobody_else(codec: Any) -> None:
    """Client 2 was not in the last round: it gets the mean."""
    executor = Scripted(noise)
    codecs = {} if codec is None else {"downlink_codec": codec}
    method = Distillation(LeaveOneOut(), None, ListDraw([[0, 3, 5], [1, 3, 4], [3]]), **codecs)
    config = FederationConfig(ListedCohorts([[0, 1], [0, 1, 2], [0, 2]]))
    federation = scripted(method, executor, clients=3, public=9, classes=3, config=config)
    request = torch.tensor([0, 3, 5])
    federation.run_round(0)
    federation.run_round(1)
    sent = executor.given[1]
    own = {0: noise(1, 0, request), 1: noise(0, 0, request), 2: (noise(0, 0, request) + noise(1, 0, request)) / 2}
    close = 1e-6 if codec is None else 1e-3 if isinstance(codec, Float16) else 0.1
    for client, labels in own.items():
        assert torch.allclose(torch.tensor(list(sent[client].values())), labels, atol=close)
    assert sent[0] != sent[1]
    state = federation.state_dict()
    again = Distillation(LeaveOneOut(), None, ListDraw([[0, 3, 5], [1, 3, 4], [3]]), **codecs)
    other = scripted(again, Scripted(noise), clients=3, public=9, classes=3, config=config)
    other.load_state_dict(state)
    assert other.digest() == federation.digest()
    assert other.run_round(2).traffic.bytes.tolist() == federation.run_round(2).traffic.bytes.tolist()


def example(name: str) -> Any:
    """A module of examples/."""
    path = Path(__file__).parents[1] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_clusters_of_the_same_answer_by_hand() -> None:
    labels = torch.tensor([[A, B], [C, D], [D, A]])
    found = example("aggregator_clusters").SameAnswer().combine(Votes(labels))
    own = found.groups[found.choice, torch.arange(2)]
    both = torch.tensor([0.7, 0.2, 0.1])
    assert torch.allclose(own[:, 0], torch.stack([both, both, torch.tensor(D)]))
    assert torch.allclose(own[:, 1], torch.tensor([B, D, A]))
    assert torch.allclose(found.labels, labels.mean(0))


def test_entropy_weights_by_hand() -> None:
    labels = torch.tensor([[A, B], [C, D]])
    found = example("aggregator_entropy").EntropyWeights().combine(Votes(labels))
    weights = [[torch.tensor(row).double() for row in rows] for rows in ((A, B), (C, D))]
    sure = [[float((row**row).prod()) for row in rows] for rows in weights]  # exp(−H) = Π p^p
    for sample in range(2):
        total = sum(sure[k][sample] for k in range(2))
        expected = sum(sure[k][sample] * weights[k][sample] for k in range(2)) / total
        assert torch.allclose(found.labels[sample].double(), expected, atol=1e-6)


def spoilt(**change: Any) -> Callable[[], Aggregator]:
    class Spoilt(Aggregator):
        def combine(self, votes: Votes) -> Consensus:
            return replace(super().combine(votes), **change)

    return Spoilt


GROUPS = torch.full((1, 2, 3), 1 / 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": torch.full((2, 3), torch.nan)}, "made labels that are none: NaN or infinite"),
        ({"labels": torch.full((2, 3), 0.5)}, "made labels that are none: a row that does not sum to 1"),
        ({"labels": torch.full((3, 3), 1 / 3)}, "made labels of another shape than the clients'"),
        ({"kept": torch.tensor([True, False])}, "so its class needs drops = True"),
        ({"groups": GROUPS, "choice": torch.zeros(1, 2).long()}, "so its class needs personal = True"),
        ({"groups": GROUPS}, "groups without a choice"),
        ({"groups": GROUPS, "choice": torch.ones(1, 2).long()}, "chose a group that there is not, of 1"),
        ({"groups": GROUPS, "choice": torch.zeros(2, 2).long()}, "made groups .* and choices"),
    ],
)
def test_an_aggregators_mistake_is_named(change: dict[str, Tensor], said: str) -> None:
    method = Distillation(spoilt(**change)(), None, ListDraw([[0, 1]]))
    with pytest.raises(ValueError, match=f"aggregator Spoilt .*{said}"):
        scripted(method, Scripted(noise), classes=3).run_round(0)
