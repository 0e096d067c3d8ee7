"""Clients that upload what is no soft label, or no answer to what they were asked."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scarlet_pl.cache import CachePolicy
from scarlet_pl.client import ClientConfig, ClientResult
from scarlet_pl.errors import WireError
from scarlet_pl.executors import Answer, Job
from scarlet_pl.federation import Federation
from scarlet_pl.methods import Distillation, Mean, UniformDraw

from ..conftest import Scripted, Still, examples, share, tiny_data
from ..test_methods import noise

Spoil = Callable[[Tensor, Tensor, random.Random], tuple[Tensor, Tensor]]
"""(request, labels) as they should be → as they are uploaded."""


def _entry(value: float) -> Spoil:
    """One number of the labels is another."""

    def spoil(request: Tensor, labels: Tensor, draws: random.Random) -> tuple[Tensor, Tensor]:
        labels = labels.clone()
        labels[draws.randrange(len(labels)), draws.randrange(labels.shape[1])] = value
        return request, labels

    return spoil


def _row(change: Callable[[Tensor, random.Random], Tensor]) -> Spoil:
    """One row of the labels is another."""

    def spoil(request: Tensor, labels: Tensor, draws: random.Random) -> tuple[Tensor, Tensor]:
        labels, row = labels.clone(), draws.randrange(len(labels))
        labels[row] = change(labels[row], draws)
        return request, labels

    return spoil


def _negative(row: Tensor, draws: random.Random) -> Tensor:
    less = draws.uniform(0.01, 5)
    return torch.stack([row[0] + row[1] + less, -row.new_tensor(less), *row[2:]])


def _indices(change: Callable[[list[int], random.Random], list[int]]) -> Spoil:
    """Other public samples, with a label each."""

    def spoil(request: Tensor, labels: Tensor, draws: random.Random) -> tuple[Tensor, Tensor]:
        asked = torch.tensor(change(request.tolist(), draws), dtype=torch.int64)
        return asked, labels[torch.arange(len(asked)) % len(labels)]

    return spoil


BAD: dict[str, Spoil] = {
    "nan": _entry(torch.nan),
    "infinite": _entry(torch.inf),
    "minus infinite": _entry(-torch.inf),
    "negative": _row(_negative),
    "sum": _row(lambda row, draws: row * draws.choice([draws.uniform(0, 0.998), draws.uniform(1.002, 9)])),
    "zero": _row(lambda row, draws: row * 0),
    "dtype": lambda request, labels, draws: (request, labels.to(torch.int64)),
    "too few rows": lambda request, labels, draws: (request, labels[draws.randint(1, len(labels)) :]),
    "too many rows": lambda request, labels, draws: (request, torch.cat([labels, labels[: draws.randint(1, 9)]])),
    "classes": lambda request, labels, draws: (request, torch.cat([labels] * draws.randint(2, 4), 1) / 2),
    "rank": lambda request, labels, draws: (
        request,
        draws.choice([labels.reshape(-1), labels[None], labels[:, :, None]]),
    ),
    "duplicate": _indices(lambda asked, draws: [*asked, draws.choice(asked)]),
    "below zero": _indices(lambda asked, draws: [-draws.randint(1, 2**40), *asked[1:]]),
    "out of range": _indices(lambda asked, draws: [*asked[:-1], draws.randint(9, 2**40)]),
    "not requested": _indices(
        lambda asked, draws: [*asked[1:], *draws.sample([k for k in range(9) if k not in asked], 1)]
    ),
    "missing": _indices(lambda asked, draws: asked[draws.randint(1, len(asked)) :]),
}


class Liar(Scripted):
    """One client uploads in one round what is no answer."""

    def __init__(self, client: int, round: int, spoil: Spoil, draws: random.Random) -> None:
        super().__init__(noise)
        self.client, self.round, self.spoil, self.draws = client, round, spoil, draws

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        for job in jobs:
            (answer,) = super().run([job])
            assert isinstance(answer, ClientResult)
            assert answer.asked is not None
            assert answer.labels is not None
            if (job.task.client, job.task.round) == (self.client, self.round) and len(answer.asked):
                asked, labels = self.spoil(answer.asked, answer.labels, self.draws)
                answer = replace(answer, asked=asked, labels=labels)
            yield answer


def federation(liar: Liar, on_error: Any, indices: Any) -> Federation:
    method = Distillation(Mean(), CachePolicy(2), UniformDraw(5), indices=indices)
    return Federation(tiny_data(5, 9, 3), ClientConfig(), method, liar, config=share(1.0, on_error=on_error))


def run(each: Federation, rounds: int) -> None:
    for round in range(rounds):
        each.run_round(round, Still(3))


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(BAD))
def test_every_kind_of_bad_upload_is_refused_before_anything_changes(kind: str, full: bool) -> None:
    """500 cases a class with --full. Seeded indices are not sent, and cannot be others."""
    how = ["explicit"] if kind == "not requested" else ["explicit", "seeded"]

    @settings(max_examples=500 if full else 4, deadline=None, database=None)
    @given(st.integers(0, 4), st.integers(0, 4), st.sampled_from(how), st.integers(0, 2**32))
    def check(liar: int, when: int, indices: str, seed: int) -> None:
        _refuse(BAD[kind], liar, when, indices, seed)

    check()


@given(st.integers(0, 2**32))
@examples(20)
def test_an_upload_in_another_order_is_the_same_upload(seed: int) -> None:
    def shuffled(request: Tensor, labels: Tensor, draws: random.Random) -> tuple[Tensor, Tensor]:
        order = torch.tensor(draws.sample(range(len(request)), len(request)))
        return request[order], labels[order]

    digests = []
    for spoil in (shuffled, lambda request, labels, draws: (request, labels)):
        each = federation(Liar(1, 0, spoil, random.Random(seed)), "fail", "explicit")
        run(each, 3)
        digests.append(each.digest())
    assert digests[0] == digests[1]


def _refuse(spoil: Spoil, liar: int, when: int, indices: str, seed: int) -> None:
    strict = federation(Liar(liar, when, spoil, random.Random(seed)), "fail", indices)
    run(strict, when)
    if strict.method.plan(when, Still(3), ()).request.numel():
        before = strict.digest()
        with pytest.raises((WireError, ValueError, RuntimeError)) as raised:
            strict.run_round(when, Still(3))
        assert f"client {liar} in round {when}" in raised.value.__notes__
        assert strict.digest() == before

    lenient = federation(Liar(liar, when, spoil, random.Random(seed)), "skip", indices)
    run(lenient, when)
    plan = lenient.method.plan(when, Still(3), tuple(range(5)))
    phase = lenient.run_round(when, Still(3))
    if len(plan.request):
        assert [failure.client for failure in phase.failures] == [liar]
        assert liar not in phase.outcome.clients
        assert phase.outcome.labels is not None
        others = [noise(k, when, plan.request) for k in range(5) if k != liar]
        assert torch.allclose(phase.outcome.labels.consensus.mean, torch.stack(others).mean(0), atol=1e-6)
        assert bool(torch.isfinite(phase.outcome.labels.consensus.labels).all())
    executor: Scripted = lenient.workers.executor  # type: ignore[assignment]
    for round in range(when + 1, when + 4):  # and the liar, back to the truth, distils what all distil
        lenient.run_round(round, Still(3))
        assert executor.given[round][liar] == executor.given[round][(liar + 1) % 5]
