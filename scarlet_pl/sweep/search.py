"""A search over settings with Optuna: which ones are tried next depends on what came of the last."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from scarlet_pl.errors import ConfigError, require
from scarlet_pl.locks import claimed
from scarlet_pl.sweep.experiment import Settings
from scarlet_pl.sweep.results import Result
from scarlet_pl.sweep.values import check_value, value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

TRIAL = "trial"
"""The axis of the trials."""

_LOG, _BEGUN = "search.log", "goal and space"
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

    @property
    def somewhere(self) -> Settings:
        """Settings in the space."""
        return {name: each["choices"][0] if "choices" in each else each["low"] for name, each in self.space.items()}

    def worth(self, results: Sequence[Result], cells: int) -> float | None:
        """What a trial is worth, the mean over its cells; None where one of them has no such value."""
        known = [each for result in results if (each := value(self.goal, result)) is not None]
        return fmean(known) if len(known) == cells else None

    def best(self, tried: dict[str, Settings], results: Sequence[Result], cells: int) -> str:
        """The best trial in a line."""
        of_trial = {each: [run for run in results if run.place[TRIAL] == each] for each in tried}
        worth = {each: found for each, runs in of_trial.items() if (found := self.worth(runs, cells)) is not None}
        if not worth:
            return "no trial is finished"
        number = (max if self.maximise else min)(worth, key=lambda each: worth[each])
        settings = " ".join(f"--{name} {each}" for name, each in tried[number].items())
        return f"best of {len(worth)}: trial {number}, {self.goal} {worth[number]:.6g}: {settings}"


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
        ok = isinstance(name, str) and isinstance(each, dict)
        ok = ok and (
            _RANGE <= each.keys() <= {*_RANGE, "log", "step"}
            or (each.keys() == {"choices"} and isinstance(each["choices"], list) and len(each["choices"]) > 0)
        )
        require(ok, f"sweep.search.space.{name}", each, "low and high, with log or step, or choices")
    return Search(trials, str(given[goals[0]]), goals[0] == "maximise", space)


class Study:
    """The trials of a search so far, in a file from which it goes on.

    Args:
        search: what is searched.
        out: the sweep's folder, which no other process may search meanwhile.
        shows: whether it is only read, whoever else is at it.

    Raises:
        ConfigError: Optuna is not installed, a range is none, another process is at it, or it was begun as another.
    """

    def __init__(self, search: Search, out: Path, shows: bool = False) -> None:
        try:
            import optuna
            from optuna.storages.journal import JournalFileBackend
        except ImportError as error:
            allowed = "nothing without Optuna: pip install 'scarlet-pl[search]'"
            raise ConfigError("sweep.search", "trials", allowed) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._search, self._optuna, self._states = search, optuna, optuna.trial.TrialState
        self._space = {name: self._distribution(name, each) for name, each in search.space.items()}
        self._lock = None if shows else self._claim(out)
        storage: Any = None  # in memory
        if not shows or (out / _LOG).exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                storage = optuna.storages.JournalStorage(JournalFileBackend(str(out / _LOG)))
        direction: Any = "maximize" if search.maximise else "minimize"
        if _LOG in optuna.get_all_study_names(storage):
            self._study = optuna.load_study(study_name=_LOG, storage=storage)
        else:
            self._study = optuna.create_study(storage=None if shows else storage, study_name=_LOG, direction=direction)
        said = json.dumps([search.goal, direction, search.space], sort_keys=True, default=str)
        begun = self._study.user_attrs.get(_BEGUN)
        if begun is None and not shows:
            self._study.set_user_attr(_BEGUN, said)
        if begun not in (None, said):
            self.close()
            raise ConfigError("sweep.search", said, f"{begun}, as the one in {out} was begun, or another folder")

    def close(self) -> None:
        """Let other processes go on with it."""
        if self._lock is not None:
            os.close(self._lock)

    def next(self) -> int | None:
        """The trial that was cut short, or else a new one; None once there are enough."""
        trials = self._trials()
        cut = next((each.number for each in trials if each.state == self._states.RUNNING), None)
        if cut is not None or len(trials) >= self._search.trials:
            return cut
        # a sampler of this trial's own: what it draws does not depend on how often the search was started
        self._study.sampler = self._optuna.samplers.TPESampler(seed=len(trials))
        return self._study.ask(self._space).number

    def tell(self, number: int, results: Sequence[Result], cells: int) -> None:
        """What came of a trial.

        Args:
            results: of all trials.
            cells: of each.
        """
        worth = self._search.worth([each for each in results if each.place[TRIAL] == str(number)], cells)
        self._study.tell(number, worth, state=self._states.FAIL if worth is None else None)

    def tried(self) -> dict[str, Settings]:
        """The settings of each trial."""
        return {str(each.number): dict(each.params) for each in self._trials()}

    def _trials(self) -> list[FrozenTrial]:
        """But for those that were cut short before they had settings."""
        return [each for each in self._study.get_trials(deepcopy=False) if each.params.keys() == self._space.keys()]

    @staticmethod
    def _claim(out: Path) -> int:
        out.mkdir(parents=True, exist_ok=True)
        claim = claimed(out / "search.lock")  # Optuna locks its log by a file of its own
        if claim is None:
            raise ConfigError("out", str(out), "a folder whose search no other process goes on with")
        return claim

    def _distribution(self, name: str, given: Settings) -> BaseDistribution:
        made: Any = self._optuna.distributions
        try:
            if "choices" in given:
                return made.CategoricalDistribution(given["choices"])  # type: ignore[no-any-return]
            whole = all(isinstance(each, int) for each in (given["low"], given["high"]))
            return (made.IntDistribution if whole else made.FloatDistribution)(**given)  # type: ignore[no-any-return]
        except (ValueError, TypeError) as error:
            raise ConfigError(f"sweep.search.space.{name}", given, f"a range or choices ({error})") from error
