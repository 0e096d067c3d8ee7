"""Who takes part, who never answers, who is late; and how long a round takes, in seconds that nobody measures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scarlet_pl.availability import Availability, Deadline, Distribution, Uniform, Work
from scarlet_pl.cache import CachePolicy
from scarlet_pl.callbacks import RoundCheckpoint, run_callbacks
from scarlet_pl.errors import ConfigError
from scarlet_pl.executors import Executor, Processes, Serial, Threads
from scarlet_pl.federation import FederationConfig
from scarlet_pl.functional.distributions import quantile
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.methods import Centralized, Distillation, EnhancedERA, FedAvg, Mean, Method, UniformDraw
from scarlet_pl.run_files import checkpoints, read_rounds
from scarlet_pl.transport import Transport

from .conftest import ListedCohorts, Scripted, examples, node, scripted, tiny_data, tiny_trainer
from .far import FarClients, make_node
from .naive import CLIENT, data_module
from .test_methods import noise

KINDS: dict[Any, float] = {"constant": 0.0, "uniform": 0.3, "exponential": 0.0, "lognormal": 1.0}


def test_a_clients_time_worked_by_hand() -> None:
    """0.5 s latency, 3000 B at 1000 B/s, 40 steps at 20 a second, 100 B at 50 B/s: 0.5 + 3 + 2 + 2."""
    speeds = {"speed": Distribution(20.0), "download": Distribution(1000.0), "upload": Distribution(50.0)}
    each = Deadline(latency=Distribution(0.5), **speeds)
    assert each.seconds(0, 3, 7, Work(down=3000, steps=40, up=100)) == 7.5


@pytest.mark.parametrize(
    ("kind", "spread", "share", "found"),
    [
        ("constant", 0.0, 0.9, 4.0),
        ("uniform", 0.5, 0.5, 4.0),
        ("uniform", 0.5, 1.0, 4 + 2 * math.sqrt(3)),
        ("exponential", 0.0, 1 - math.exp(-2), 8.0),
        ("lognormal", math.sqrt(math.e - 1), 0.5, 4 / math.sqrt(math.e)),
        ("lognormal", math.sqrt(math.e - 1), 0.841344746068543, 4 * math.sqrt(math.e)),
    ],
)
def test_quantiles_worked_by_hand(kind: Any, spread: float, share: float, found: float) -> None:
    assert quantile(kind, 4.0, spread, share) == pytest.approx(found)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_has_the_mean_and_the_spread(kind: Any) -> None:
    each = Distribution(3.0, kind, KINDS[kind])
    drawn = torch.tensor([each.draw(0, "latency", client=client) for client in range(20_000)], dtype=torch.float64)
    spread = 1.0 if kind == "exponential" else KINDS[kind]
    assert bool((drawn > 0).all())
    assert float(drawn.mean()) == pytest.approx(3.0, rel=0.03)
    assert float(drawn.std() / drawn.mean()) == pytest.approx(spread, rel=0.1)


@examples(200)
@given(*[st.integers(0, 10_000)] * 3, st.integers(0, 100), st.sampled_from(list(KINDS)), st.data())
def test_more_work_takes_no_less_time(down: int, steps: int, up: int, client: int, kind: Any, data: Any) -> None:
    drawn = Distribution(2.0, kind, KINDS[kind])
    each = Deadline(latency=drawn, speed=drawn, download=drawn, upload=drawn)
    more = [data.draw(st.integers(value, 20_000)) for value in (down, steps, up)]
    less = each.seconds(0, 1, client, Work(down, steps, up))
    assert 0 < less <= each.seconds(0, 1, client, Work(*more))


def test_a_clients_speed_is_its_own_and_its_latency_of_the_round() -> None:
    drawn = Distribution(1.0, "lognormal", 1.0)
    only_speed = Deadline(latency=Distribution(1e-9), speed=drawn)
    times = [[only_speed.seconds(0, round, client, Work(0, 9, 0)) for client in range(4)] for round in range(3)]
    assert times[0] == times[1] == times[2]
    assert len(set(times[0])) == 4
    only_latency = Deadline(latency=drawn)
    assert len({only_latency.seconds(0, round, 1, Work(0, 0, 0)) for round in range(5)}) == 5


class Slow(Availability):
    """Client k answers k seconds after the start of each round."""

    timed = True
    deadline: float | None = 1.5

    def cohort(self, seed: int, round: int, clients: int) -> tuple[int, ...]:
        return tuple(range(clients))

    def seconds(self, seed: int, round: int, client: int, work: Work) -> float:
        return float(client)


class Patient(Slow):
    deadline = None


def test_who_is_late_sends_nothing_and_stays_as_it_was() -> None:
    """Of 4 clients 0 and 1 are in time; all heard of the round."""
    method = Distillation(Mean(), CachePolicy(2), UniformDraw(6))
    each = scripted(method, Scripted(noise), clients=4, public=9, classes=3, config=FederationConfig(Slow()))
    for round in range(3):
        phase = each.run_round(round)
        assert (phase.outcome.clients, phase.late, phase.dropped, phase.failures) == ((0, 1), (2, 3), (), ())
        assert phase.seconds == 1.5
        assert [phase.traffic.messages(direction) for direction in ("up", "down")] == [2, 4]
    assert each.seconds == 4.5
    assert [client for client, _ in node(each).states.items()] == [0, 1]
    assert sorted(node(each).digests()) == [0, 1]


def test_a_round_ends_with_the_last_answer_where_none_is_missing() -> None:
    for available, seconds in ((Patient(), 3.0), (Slow(), 1.5)):
        method = Distillation(Mean(), None, UniformDraw(6))
        each = scripted(method, Scripted(noise), clients=4, public=9, classes=3, config=FederationConfig(available))
        assert each.run_round(0).seconds == seconds
    two = scripted(Distillation(Mean(), None), Scripted(noise), 2, 200, 3, FederationConfig(Slow()))
    assert two.run_round(0).seconds == 1.0


def test_a_round_in_which_all_are_late_is_skipped() -> None:
    """As one in which nobody answers."""

    class All(Slow):
        deadline = -1.0

    method = Distillation(Mean(), CachePolicy(2), UniformDraw(6))
    each = scripted(method, Scripted(noise), clients=3, public=9, classes=3, config=FederationConfig(All()))
    phase = each.run_round(0)
    assert phase.late == (0, 1, 2)
    assert phase.outcome.clients == ()
    assert bool((method.cache.stored == -1).all())


def test_a_round_without_a_cohort_is_skipped() -> None:
    method = Distillation(Mean(), CachePolicy(2), UniformDraw(6))
    cohorts = FederationConfig(ListedCohorts([[0, 1], [], [1]]))
    each = scripted(method, Scripted(noise), clients=2, public=9, classes=3, config=cohorts)
    assert [each.run_round(round).outcome.clients for round in range(3)] == [(0, 1), (), (1,)]


@pytest.mark.parametrize("cohort", [[1, 0], [0, 0], [0, 2], [-1, 0]])
def test_a_cohort_of_clients_that_there_are_not_is_refused(cohort: list[int]) -> None:
    config = FederationConfig(ListedCohorts([cohort]))
    with pytest.raises(ConfigError, match=r"federation\.availability: got .* cohorts of clients from 0 to 1,"):
        scripted(Distillation(Mean(), None), Scripted(noise), clients=2, public=200, config=config)


def test_a_method_without_clients_has_no_cohort() -> None:
    trainer, server = tiny_trainer(Centralized(), 1)
    trainer.fit(server, data_module(tiny_data()))
    assert trainer.federation.cohort(0) == ()


DEADLINE = Deadline(0.7, 0.3, 0.25, Distribution(0.1, "exponential"), Distribution(60.0, "lognormal", 0.5))


def scarlet() -> Method:
    return Distillation(EnhancedERA(1.5), CachePolicy(2), UniformDraw(6))


def fit(
    make: Any,
    executor: Executor,
    folder: Path | None = None,
    rounds: int = 6,
    available: Availability = DEADLINE,
    transport: Transport | None = None,
) -> FederatedTrainer:
    data, saved = tiny_data(clients=5), checkpoints(folder) if folder else []
    callbacks: Any = [RoundCheckpoint(folder)] if folder else []
    options: dict[str, Any] = {"client": CLIENT, "executor": executor, "callbacks": callbacks, "transport": transport}
    trainer, server = tiny_trainer(make(), rounds, data=data, config=FederationConfig(available), **options)
    trainer.fit(server, data_module(data), str(saved[-1]) if saved else None)
    return trainer


@pytest.mark.slow
@pytest.mark.parametrize("make", [scarlet, FedAvg])
def test_a_deadline_gives_the_same_run_everywhere(make: Any, tmp_path: Path) -> None:
    """Over executors, after a resume, and with clients elsewhere."""
    whole = fit(make, Serial())
    assert 0 < whole.federation.seconds < 6 * 0.25
    assert fit(make, Threads(2)).digest() == whole.digest()
    assert fit(make, Processes(2)).digest() == whole.digest()
    fit(make, Serial(), tmp_path, 3)
    assert fit(make, Serial(), tmp_path).digest() == whole.digest()
    far = FarClients(lambda: make_node(tiny_data(clients=5), CLIENT, make()))
    assert fit(make, Serial(), transport=far).digest() == whole.digest()
    far.end()


def test_nobody_is_late_without_a_deadline() -> None:
    patient = fit(scarlet, Serial(), available=Deadline(0.7, 0.1, None, Distribution(0.1, "exponential")))
    plain = fit(scarlet, Serial(), available=Uniform(0.7, 0.1))
    states = [dict(trainer.federation.transport.digests()) for trainer in (patient, plain)]
    assert states[0] == states[1]
    assert patient.federation.seconds > plain.federation.seconds == 0


def test_rounds_csv_tells_the_late_from_the_dropped(tmp_path: Path) -> None:
    """And the time so far goes on after a resume."""
    data = tiny_data(clients=5)
    for rounds in (3, 6):
        saved = checkpoints(tmp_path)
        trainer, server = tiny_trainer(
            scarlet(), rounds, data=data, client=CLIENT, config=FederationConfig(DEADLINE),
            callbacks=run_callbacks(tmp_path, 1),
        )  # fmt: skip
        trainer.fit(server, data_module(data), str(saved[-1]) if saved else None)
    rows = read_rounds(tmp_path / "rounds.csv")
    late, dropped = ([int(row[f"clients/{why}"]) for row in rows] for why in ("late", "dropped"))
    assert min(sum(late), sum(dropped)) > 0
    total = 0.0
    for row, missing in zip(rows, map(sum, zip(late, dropped, strict=True)), strict=True):
        total += float(row["time/round"])
        assert float(row["time/total"]) == total
        assert (float(row["time/round"]) == 0.25) == (missing > 0)
    assert total == trainer.federation.seconds


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(0), r"federation\.availability\.participation: got 0"),
        (lambda: Uniform(1.0, 1.5), r"federation\.availability\.dropout_rate: got 1.5"),
        (lambda: Deadline(deadline=0), r"federation\.availability\.deadline: got 0, allowed: seconds > 0, or null"),
        (lambda: Deadline(speed=Distribution(0)), r"federation\.availability\.speed\.mean: got 0"),
        (lambda: Deadline(latency=Distribution(1, "normal")), r"availability\.latency\.kind: got 'normal'"),  # type: ignore[arg-type]
        (lambda: Deadline(upload=Distribution(1, "uniform", 0.6)), r"availability\.upload\.spread: got 0.6"),
        (lambda: FederationConfig(None), r"federation\.availability: got None"),  # type: ignore[arg-type]
        (lambda: FederationConfig(on_error="ignore"), r"federation\.on_error: got 'ignore'"),  # type: ignore[arg-type]
        (lambda: FederationConfig(store="tape"), r"federation\.store: got 'tape'"),  # type: ignore[arg-type]
    ],
)
def test_bad_settings(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
