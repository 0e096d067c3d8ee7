"""A search over settings with Optuna: which ones are tried next depends on what came of the last."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from scarlet_pl.errors import ConfigError, require
from scarlet_pl.run_files import writing
from scarlet_pl.sweep.experiment import Settings
from scarlet_pl.sweep.results import Result
from scarlet_pl.sweep.values import check_value, value

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution

TRIAL = "trial"
"""The axis of the trials."""

_KEYS = ("trials", "maximise", "minimise", "space")
_RANGE = {"low", "high"}


@dataclass(frozen=True)
class Search:
    """What `sweep.search` says.

    Attributes:
        trials: how many.
        goal: the value of a run that counts, the mean over a trial's cells.
        maximise: whether more of it is better.
        space: by dotted name, `{low: A, high: B}`, with `log: true` or a `step`, or `{choices: [A, B]}`.
    """

    trials: int
    goal: str
    maximise: bool
    space: dict[str, Settings]


def read_search(given: Settings) -> Search:
    """Check `sweep.search`.

    Raises:
        ConfigError: a key is unknown, or has a value that it may not have.
    """
    for key in given:
        require(key in _KEYS, f"sweep.search.{key}", given[key], f"one of {', '.join(_KEYS)}")
    trials: Any = given.get("trials")
    goals = [key for key in ("maximise", "minimise") if key in given]
    require(isinstance(trials, int) and trials >= 1, "sweep.search.trials", trials, "an integer >= 1")
    require(len(goals) == 1, "sweep.search.maximise", None, "a value of a run, or minimise in its place")
    check_value(f"sweep.search.{goals[0]}", str(given[goals[0]]), referred=False)
    space: Any = given.get("space")
    require(isinstance(space, dict) and bool(space), "sweep.search.space", space, "a mapping of settings to ranges")
    for name, each in space.items():
        ok = isinstance(each, dict) and (
            _RANGE <= each.keys() <= {*_RANGE, "log", "step"} or each.keys() == {"choices"}
        )
        require(ok, f"sweep.search.space.{name}", each, "low and high, with log or step, or choices")
    return Search(trials, str(given[goals[0]]), goals[0] == "maximise", space)


class Study:
    """The trials of a search so far, in a file from which it goes on.

    Args:
        search: what is searched.
        file: the trials, as Optuna's journal.

    Raises:
        ConfigError: Optuna is not installed, or a range is none.
    """

    def __init__(self, search: Search, file: Path) -> None:
        try:
            import optuna
            from optuna.storages.journal import JournalFileBackend
        except ImportError as error:
            raise ConfigError(
                "sweep.search", "trials", "nothing without Optuna: pip install 'scarlet-pl[search]'"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._search, self._optuna = search, optuna
        self._space = {name: self._distribution(name, each) for name, each in search.space.items()}
        with writing(file), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            file.parent.mkdir(parents=True, exist_ok=True)
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(file)))
        direction: Any = "maximize" if search.maximise else "minimize"
        self._study = optuna.create_study(
            storage=storage, study_name="search", direction=direction, load_if_exists=True
        )

    def next(self) -> tuple[int, Settings] | None:
        """The trial that was cut short, or else a new one; None once there are enough."""
        running = self._optuna.trial.TrialState.RUNNING
        trials = self._study.get_trials(deepcopy=False)
        cut = next(
            (each for each in trials if each.state == running and each.params.keys() == self._space.keys()), None
        )
        if cut is not None:
            return cut.number, dict(cut.params)
        if len(trials) >= self._search.trials:
            return None
        # a sampler of this trial's own: what it draws does not depend on how often the search was started
        self._study.sampler = self._optuna.samplers.TPESampler(seed=len(trials))
        asked: Trial = self._study.ask(self._space)
        return asked.number, dict(asked.params)

    def tell(self, number: int, results: Sequence[Result], cells: int) -> None:
        """What came of a trial; it failed where one of its cells has no such value."""
        known = [each for result in results if (each := value(self._search.goal, result)) is not None]
        failed = self._optuna.trial.TrialState.FAIL
        if len(known) == cells:
            self._study.tell(number, fmean(known))
        else:
            self._study.tell(number, state=failed)

    def tried(self) -> dict[str, Settings]:
        """The settings of each trial."""
        return {str(each.number): dict(each.params) for each in self._study.get_trials(deepcopy=False)}

    def best(self) -> str:
        """The best trial in a line."""
        done = self._study.get_trials(deepcopy=False, states=[self._optuna.trial.TrialState.COMPLETE])
        if not done:
            return "no trial is finished"
        best = self._study.best_trial
        settings = " ".join(f"--{name} {each}" for name, each in best.params.items())
        return f"best of {len(done)}: trial {best.number}, {self._search.goal} {best.value:.6g}: {settings}"

    def _distribution(self, name: str, given: Settings) -> BaseDistribution:
        made: Any = self._optuna.distributions
        try:
            if "choices" in given:
                return made.CategoricalDistribution(given["choices"])  # type: ignore[no-any-return]
            whole = all(isinstance(each, int) for each in (given["low"], given["high"]))
            return (made.IntDistribution if whole else made.FloatDistribution)(**given)  # type: ignore[no-any-return]
        except (ValueError, TypeError) as error:
            raise ConfigError(f"sweep.search.space.{name}", given, f"a range or choices ({error})") from error
