"""Filters on the labels that go up and down, what they remember, and the privacy that noise gives."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal

from scarlet_pl.cache import CachePolicy
from scarlet_pl.client import ClientResult
from scarlet_pl.errors import ConfigError
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.functional.simplex import largest, project
from scarlet_pl.methods import Distillation, Filter, GaussianNoise, Mean, Temperature, TopK
from scarlet_pl.methods.parts.filters import apply
from scarlet_pl.wire import Envelope

from .conftest import ListDraw, Scripted, Still, node, scripted
from .parts import Momentum
from .test_methods import noise

P = torch.tensor([[0.5, 0.3, 0.2]])


def once(filter: Filter, labels: Tensor) -> Tensor:
    indices = torch.arange(len(labels))
    return apply([filter], SoftLabels(indices, labels), torch.Generator().manual_seed(0), [])[0]


def test_worked_examples() -> None:
    assert once(Temperature(2), P)[0].tolist() == pytest.approx([0.415446, 0.321803, 0.262751], abs=1e-6)
    assert once(Temperature(0.5), P)[0].tolist() == pytest.approx([25 / 38, 9 / 38, 4 / 38], abs=1e-6)
    assert once(TopK(2), P)[0].tolist() == pytest.approx([0.625, 0.375, 0])
    assert torch.equal(once(TopK(7), P), P)
    assert largest(torch.full((1, 4), 0.25), 2).tolist() == [[0.5, 0.5, 0, 0]]
    assert project(torch.tensor([[1.0, 0.6, -0.4]])).tolist() == [pytest.approx([0.7, 0.3, 0.0])]


@given(st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=6))
def test_the_projection_is_the_nearest_distribution(row: list[float]) -> None:
    """By bisection of the threshold."""
    values = torch.tensor(row, dtype=torch.float64)
    low, high = float(values.min()) - 1, float(values.max())
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if float((values - middle).clamp_min(0).sum()) > 1 else (low, middle)
    assert torch.allclose(project(values[None])[0], (values - low).clamp_min(0), atol=1e-9)


@given(st.integers(0, 2**31))
def test_no_distribution_is_farther_than_the_sensitivity(seed: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    p, q = torch.rand(2, 5, 4, generator=draws, dtype=torch.float64).mul(30).softmax(-1)
    assert float((p - q).norm()) <= math.sqrt(2 * len(p))


@pytest.mark.parametrize(("labels", "deviation"), [(1, 4.0), (40, 10.0), (1000, 30.0), (500, 4.0)])
def test_epsilon_is_that_of_one_gaussian_mechanism(labels: int, deviation: float) -> None:
    """Against the Rényi bound over a fine grid of orders, and the exact ε of Gaussian differential privacy."""
    filter = GaussianNoise(deviation)
    ours, delta = filter.epsilon(labels), filter.delta
    orders = 1 + torch.logspace(-3, 3, 20001, dtype=torch.float64)
    bounds = orders * labels / deviation**2 + ((orders - 1) / orders).log()
    bounds -= (math.log(delta) + orders.log()) / (orders - 1)
    assert ours == pytest.approx(float(bounds.min()), rel=0.01)

    mu, normal = math.sqrt(2 * labels) / deviation, Normal(*torch.tensor([0.0, 1.0]).double())

    def excess(epsilon: float) -> float:
        ends = normal.cdf(torch.tensor([-epsilon / mu + mu / 2, -epsilon / mu - mu / 2]).double())
        return float(ends[0] - math.exp(epsilon) * ends[1]) - delta

    low, high = 0.0, 200.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    assert high <= ours <= 1.15 * high


def test_epsilon_grows_with_what_is_asked_and_not_with_rounds() -> None:
    """A client in the cohort of every round, used or not; a cached label is not asked for again."""
    method = Distillation(Mean(), CachePolicy(None), ListDraw([[0, 1], [0, 1, 2], [0, 2]]), uplink_filters=[
        GaussianNoise(20.0)
    ])  # fmt: skip
    federation = scripted(method, Scripted(noise), clients=2, public=9, classes=3)
    assert method.metrics() == {"privacy/epsilon": 0.0}
    spent = []
    for round in range(3):
        federation.run_round(round)
        spent.append(method.metrics()["privacy/epsilon"])
    assert spent == [GaussianNoise(20.0).epsilon(count) for count in (2, 3, 3)]
    method.skip(method.plan(3, Still(3), (0, 1)))  # nobody's answer came, but it may have been on its way
    assert method._asked.tolist() == [3, 3]
    again = Distillation(Mean(), CachePolicy(None), method.settings.draw, uplink_filters=[GaussianNoise(20.0)])
    other = scripted(again, Scripted(noise), clients=2, public=9, classes=3)
    other.load_state_dict(federation.state_dict())
    assert again.metrics() == method.metrics()


def test_noise_is_as_large_as_it_says_and_another_in_each_round() -> None:
    labels = torch.full((4000, 10), 0.1)
    draws = torch.Generator().manual_seed(0)
    filter = GaussianNoise(0.01)  # small: no entry of these falls to 0
    made, _ = filter(SoftLabels(torch.arange(4000), labels), draws, {})
    assert float((made - labels).std()) == pytest.approx(0.01 * math.sqrt(0.9), rel=0.02)  # less the part along (1, …)
    other, _ = filter(SoftLabels(torch.arange(4000), labels), draws, {})
    assert not torch.equal(made, other)


def still(client: int, round: int, request: Tensor) -> Tensor:
    return torch.eye(3)[(request + round) % 3]


def test_a_filters_memory_is_the_clients_and_of_used_uploads_alone() -> None:
    """Half of the last label, by client: after one-hot labels of classes 0, 1, 2 (½ (½ (e0) + ½ e1) + ½ e2)."""
    method = Distillation(Mean(), None, ListDraw([[0], [0], [0]]), uplink_filters=[Momentum(4)])
    federation = scripted(method, Scripted(still), clients=2, public=4, classes=3)
    made = []
    for round in range(3):
        phase = federation.run_round(round)
        assert phase.outcome.labels is not None
        made.append(phase.outcome.labels.votes.labels[0, 0].tolist())
    assert made == [[1, 0, 0], [0.5, 0.5, 0], [0.25, 0.25, 0.5]]
    side, before = node(federation).side, federation.digest()
    memory = side.memory(1)
    payload = method.downlink(method.plan(3, Still(3), (0, 1)), 1).pack(Envelope("down", method.name, 3, 1))
    asked = side.receive(3, 1, payload).predict
    assert asked is not None
    side.uplink(3, ClientResult(1, {}, asked=asked, labels=torch.eye(3)[asked]))
    side.reject(1)
    assert federation.digest() == before
    side.remember(1, None)
    assert side.memory(1) is None
    side.remember(1, memory)
    assert federation.digest() == before


@pytest.mark.parametrize("server_labels", ["aggregate", "predictions"])
def test_what_goes_down_is_filtered_once(server_labels: Any) -> None:
    """The server distils what it was before. Looked at twice, as after a failed round, it is the same."""
    executor = Scripted(still)
    method = Distillation(
        Mean(), None, ListDraw([[0]]), server_labels=server_labels, downlink_filters=[Momentum(4), TopK(2)]
    )
    federation = scripted(method, executor, clients=2, public=4, classes=3)

    class Server(Still):
        round = 0

        def predict_public(self, indices: Tensor) -> Tensor:
            return still(0, self.round, indices)

    federation.watch = server = Server(3)
    for round in range(4):
        server.round = round - 1  # it has learnt from the last round's labels
        method.observe(server, round)
        phase = federation.run_round(round)
        assert phase.outcome.targets is not None
        assert torch.equal(phase.outcome.targets.labels, still(0, round, torch.tensor([0])))
    assert [executor.given[round][0][0] for round in (1, 2)] == [[1, 0, 0], [0.5, 0.5, 0]]
    assert executor.given[3][0][0] == pytest.approx([1 / 3, 0, 2 / 3])


def spoilt(made: Any, memory: Any = None) -> Filter:
    class Spoilt(Filter):
        def __call__(
            self, labels: SoftLabels, draws: torch.Generator, before: Mapping[str, Tensor]
        ) -> tuple[Tensor, Mapping[str, Tensor]]:
            return made, memory or {}

    return Spoilt()


@pytest.mark.parametrize(
    ("filter", "said"),
    [
        (spoilt(P[:, :2]), r"shape \(1, 2\) for \(1, 3\)"),
        (spoilt(P.double()), "type torch.float64"),
        (spoilt(P - 0.3), "a negative probability"),
        (spoilt(P * 1.1), "does not sum to 1"),
        (spoilt(P * torch.nan), "NaN"),
        (spoilt(P, {"count": 3}), "keeps what is no tensor"),
    ],
)
@pytest.mark.parametrize("way", ["uplink_filters", "downlink_filters"])
def test_a_filters_mistake_is_named_and_changes_nothing(filter: Filter, said: str, way: str) -> None:
    method = Distillation(Mean(), None, ListDraw([[0]]), **{way: [filter]})  # type: ignore[arg-type]
    federation = scripted(method, Scripted(noise), clients=1, classes=3)
    before = federation.digest()
    with pytest.raises(ValueError, match=f"filter Spoilt .*{said}"):
        federation.run_round(0)
    assert federation.digest() == before


@pytest.mark.parametrize("make", [lambda: Temperature(0), lambda: TopK(0), lambda: GaussianNoise(0)])
def test_bad_parameters(make: Any) -> None:
    with pytest.raises(ConfigError, match=r"^\w+\.\w+: got 0, allowed: "):
        make()


def test_noise_without_its_accountant_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(ConfigError, match=r"method\.uplink_filters: got 'GaussianNoise'.*scarlet-pl\[privacy\]"):
        GaussianNoise()
