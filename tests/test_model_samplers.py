"""Teachers that are no client's model: how they are drawn, and what becomes of them in a round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scarlet_pl.callbacks import RoundCheckpoint
from scarlet_pl.client import ClientFailure, State
from scarlet_pl.errors import ConfigError, NonFiniteError
from scarlet_pl.executors import Answer, Executor, Job, Processes, Serial, Threads
from scarlet_pl.functional import weights as maths
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.methods import DirichletModels, EnhancedERA, FedAvg, Fusion, GaussianModels, ModelSampler, UniformDraw
from scarlet_pl.run_files import checkpoints
from scarlet_pl.server import ServerConfig

from .conftest import share, tiny_data, tiny_trainer
from .naive import CLIENT, data_module
from .test_loop import Recorder

ORIGIN = torch.tensor([1.0, 2.0])
CLIENTS = torch.tensor([[1.6, 2.8], [0.0, 2.0]])
EQUAL = torch.full((2,), 0.5, dtype=torch.float64)
NOISE = torch.tensor([1.0, -1.0])


def close(found: Tensor, expected: list[float]) -> bool:
    return torch.allclose(found.double(), torch.tensor(expected, dtype=torch.float64), atol=1e-6)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sample(sampler: ModelSampler, clients: Tensor, name: str = "w", origin: Tensor | None = None) -> list[Tensor]:
    shares = torch.full((len(clients),), 1 / len(clients), dtype=torch.float64)
    start = torch.zeros_like(clients[0]) if origin is None else origin
    models = sampler.sample({name: start}, [{name: each} for each in clients], shares, draws())
    return [model[name] for model in models]


def test_a_gaussian_of_directions_by_hand() -> None:
    """Both clients went 1 far, along (0.6, 0.8) and (−1, 0): mean (−0.2, 0.4), variance (0.64, 0.16)."""
    mean, deviation = maths.gaussian_of_directions(CLIENTS, ORIGIN)
    assert close(mean, [0.8, 2.4])
    assert close(deviation, [0.8, 0.4])
    assert close(mean + 0.1 * deviation * NOISE, [0.88, 2.36])


def test_a_gaussian_of_weights_by_hand() -> None:
    mean, deviation = maths.gaussian(CLIENTS, EQUAL)
    assert close(mean, [0.8, 2.4])
    assert close(deviation, [0.8, 0.4])
    assert close(mean + deviation * NOISE, [1.6, 2.0])
    mean, deviation = maths.gaussian(CLIENTS, torch.tensor([0.25, 0.75]))
    assert close(mean, [0.4, 2.2])  # (0.25·1.2² + 0.75·0.4²)^½, (0.25·0.6² + 0.75·0.2²)^½
    assert close(deviation, [0.48**0.5, 0.12**0.5])


def test_a_mixture_by_hand() -> None:
    assert close(maths.mixture(CLIENTS, torch.tensor([0.25, 0.75])), [0.4, 2.2])


def test_the_official_sharpening_is_enhanced_era_by_hand() -> None:
    """p^(1/T) / Σ with T = 0.5."""
    assert close(EnhancedERA(2.0).sharpen(torch.tensor([[0.5, 0.3, 0.2]]))[0], [25 / 38, 9 / 38, 4 / 38])


def test_a_tensor_that_did_not_move_stays() -> None:
    """The official code divides by 0."""
    for each in sample(GaussianModels(4), ORIGIN.expand(3, 2), origin=ORIGIN):
        assert torch.equal(each, ORIGIN)


@pytest.mark.parametrize("sampler", [GaussianModels(3, 9.0), GaussianModels(3, 9.0, "weights"), DirichletModels(3)])
def test_counters_are_the_mean_and_variances_stay_positive(sampler: ModelSampler) -> None:
    """However wide the Gaussian."""
    counted = sample(sampler, torch.tensor([7, 7, 7]), "bn.num_batches_tracked", torch.tensor(4))
    assert [each.tolist() for each in counted] == [7, 7, 7]
    assert counted[0].dtype == torch.int64
    variances = torch.tensor([[0.2, 1.0], [0.3, 5.0], [0.25, 3.0]])
    for each in sample(sampler, variances, "bn.running_var", torch.ones(2)):
        assert bool((each >= variances.amin(0)).all())


@given(st.integers(1, 5), st.floats(0.01, 100), st.integers(0, 2**32))
def test_mixtures_lie_between_the_clients(clients: int, alpha: float, seed: int) -> None:
    weights = torch.randn(clients, 3, generator=draws(seed))
    for each in sample(DirichletModels(4, alpha), weights):
        assert bool((each >= weights.amin(0) - 1e-6).all())
        assert bool((each <= weights.amax(0) + 1e-6).all())


@given(st.integers(1, 5), st.integers(0, 2**32))
def test_without_noise_a_model_is_the_middle(clients: int, seed: int) -> None:
    weights = torch.randn(clients, 3, generator=draws(seed))
    (of_weights,) = sample(GaussianModels(1, 0.0, "weights"), weights)
    assert torch.allclose(of_weights, weights.mean(0), atol=1e-6)
    lengths = weights.norm(dim=1)
    middle = lengths.mean() * (weights / lengths[:, None]).mean(0)
    (of_directions,) = sample(GaussianModels(1, 0.0), weights)
    assert torch.allclose(of_directions, middle, atol=1e-5)


def test_many_models_have_the_gaussians_spread() -> None:
    drawn = torch.stack(sample(GaussianModels(4000, 0.5, "weights"), CLIENTS))
    assert torch.allclose(drawn.mean(0), torch.tensor([0.8, 2.4]), atol=0.03)
    assert torch.allclose(drawn.std(0), torch.tensor([0.4, 0.2]), atol=0.03)
    few = torch.stack(sample(DirichletModels(4000, 1.0), CLIENTS))[:, 0] / 1.6  # uniform in [0, 1]
    assert few.mean() == pytest.approx(0.5, abs=0.03)
    assert few.std() == pytest.approx(12**-0.5, abs=0.03)


BE = Fusion(EnhancedERA(2.0), UniformDraw(6), "average", GaussianModels(3), True)


def fit(
    fusion: Fusion,
    executor: Executor | None = None,
    rounds: int = 1,
    folder: Path | None = None,
    recorder: Recorder | None = None,
    **rest: Any,
) -> FederatedTrainer:
    """With SWA over the last three of a round's four steps."""
    data, saved = tiny_data(clients=5), checkpoints(folder) if folder else []
    callbacks = [*([RoundCheckpoint(folder)] if folder else []), *([recorder] if recorder else [])]
    server = ServerConfig("mlp", keep_optimizer=False, epochs=2, batch_size=4, average_from=2)
    options = {"data": data, "client": CLIENT, "executor": executor, "callbacks": callbacks, "server": server}
    trainer, module = tiny_trainer(FedAvg(fusion), rounds, **{**options, "config": share(0.7, **rest)})  # type: ignore[arg-type]
    trainer.fit(module, data_module(data), str(saved[-1]) if saved else None)
    return trainer


class Seen(Serial):
    """Keeps the numbers of the teachers; those that are no client's say nothing that can be used."""

    def __init__(self, fail: bool = False) -> None:
        self.fail, self.teachers = fail, list[int]()

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        for answer in super().run(jobs):
            if isinstance(answer, ClientFailure) or answer.labels is None:
                yield answer
                continue
            self.teachers.append(answer.client)
            bad = NonFiniteError(0, f"client {answer.client}", "soft label")
            yield ClientFailure(answer.client, bad) if self.fail and answer.client >= 5 else answer


def test_teachers_have_numbers_of_their_own() -> None:
    """The cohort's, then those from the number of clients on: the average, and three samples."""
    executor, recorder = Seen(), Recorder()
    fit(BE, executor, recorder=recorder)
    cohort = recorder.records[0].phase.plan.cohort
    assert len(cohort) == 3
    assert executor.teachers == [*cohort, 5, 6, 7, 8]


def test_a_teacher_of_nobody_that_fails_is_left_out() -> None:
    recorder = Recorder()
    with pytest.warns(UserWarning, match="round 0: a teacher made by the server produced a soft label .* left out"):
        fit(BE, Seen(fail=True), recorder=recorder, on_error="skip")
    phase = recorder.records[0].phase
    assert phase.failures == ()
    assert phase.outcome.clients == phase.plan.cohort
    with pytest.raises(NonFiniteError, match="a teacher made by the server produced a soft label"):
        fit(BE, Seen(fail=True))


def test_the_average_teaches_what_one_client_does() -> None:
    recorder, data = Recorder(), tiny_data(clients=1)
    method = FedAvg(Fusion(draw=UniformDraw(6), average_teaches=True))
    trainer, server = tiny_trainer(method, 2, data=data, client=CLIENT, callbacks=[recorder])
    trainer.fit(server, data_module(data))
    assert [record.server["server/distill_loss"] for record in recorder.records] == pytest.approx([0, 0], abs=1e-6)


def test_no_byte_more_is_sent() -> None:
    more, none = (fit(fusion).federation.ledger for fusion in (BE, Fusion(draw=UniformDraw(6))))
    assert [more.total(way) for way in ("up", "down")] == [none.total(way) for way in ("up", "down")]


class Half(ModelSampler):
    def sample(self, origin: State, states: Sequence[State], shares: Tensor, draws: torch.Generator) -> list[State]:
        return [dict(list(states[0].items())[:2])]


def test_a_sampler_that_makes_other_models_is_named() -> None:
    with pytest.raises(ValueError, match="sampler Half made a model with other tensors than the clients'"):
        fit(Fusion(draw=UniformDraw(6), models=Half()))


@pytest.mark.slow
@pytest.mark.parametrize("models", [GaussianModels(3), pytest.param(DirichletModels(3), marks=pytest.mark.full)])
def test_fedbe_gives_the_same_run_everywhere(models: ModelSampler, tmp_path: Path) -> None:
    fusion = Fusion(EnhancedERA(2.0), UniformDraw(6), models=models, average_teaches=True)
    whole = fit(fusion, rounds=4).digest()
    assert fit(fusion, Threads(2), 4).digest() == whole
    assert fit(fusion, Processes(2), 4).digest() == whole
    fit(fusion, Threads(2), 2, tmp_path)
    assert fit(fusion, Serial(), 4, tmp_path).digest() == whole


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fusion(models=UniformDraw(6)), r"method\.fusion\.models: got .*, allowed: an object of class ModelS"),  # type: ignore[arg-type]
        (lambda: GaussianModels(0), r"method\.fusion\.models\.count: got 0, allowed: an integer >= 1"),
        (lambda: GaussianModels(scale=-1), r"method\.fusion\.models\.scale: got -1, allowed: a number >= 0"),
        (lambda: GaussianModels(of="all"), r"method\.fusion\.models\.of: got 'all', allowed: directions, weights"),  # type: ignore[arg-type]
        (lambda: DirichletModels(alpha=0), r"method\.fusion\.models\.alpha: got 0, allowed: a number > 0"),
    ],
)
def test_bad_settings(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
