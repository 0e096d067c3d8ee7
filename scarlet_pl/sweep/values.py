"""What a table or a picture may show of a run. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from scarlet_pl.errors import require
from scarlet_pl.report.runs import reached
from scarlet_pl.sweep.results import Result

WORDS = {
    "server_accuracy": "server accuracy, last round",
    "server_accuracy_best": "server accuracy, best round",
    "client_accuracy": "mean client accuracy, last evaluation",
    "client_accuracy_best": "mean client accuracy, best evaluation",
    "megabytes": "MB up and down",
    "megabytes_up": "MB up",
    "megabytes_down": "MB down",
    "paper_megabytes": "MB up and down, official count",
    "shannon_megabytes_up": "MB up, Shannon bound of the labels",
    "cache_hit_rate": "cache hit rate",
    "seconds": "seconds of computing",
}
"""Of a whole run, and what stands above it."""

OVER_ROUNDS = {
    "round": "communication rounds",
    "server_accuracy": "server accuracy",
    "client_accuracy": "mean client accuracy",
    "megabytes": "sent by all, up and down [MB = 10⁶ bytes]",
    "paper_megabytes": "sent by all, up and down, official count [MB = 10⁶ bytes]",
    "megabytes_up": "sent up in a round by all [MB = 10⁶ bytes]",
    "shannon_megabytes_up": "Shannon bound of the labels sent up in a round by all [MB = 10⁶ bytes]",
    "hit_rate": "cache hit rate of the round",
    "time": "simulated time [s]",
}
"""Of each round, and what stands at its axis."""

_TO, _RATIO = " to ", "ratio of "
_RANGE, _STEP = "range of ", "largest step of "
_SHORT = {"megabytes": "MB", "paper_megabytes": "MB (official count)", "time": "s"}
_SO_FAR = tuple(_SHORT)


def check_value(field: str, name: str, referred: bool, along: bool = False) -> None:
    """Raise `ConfigError` if there is no such value.

    Args:
        referred: whether there is something for a ratio to refer to.
        along: whether it is to be one of many runs, along an axis.
    """
    if along:
        ok = name.startswith((_RANGE, _STEP)) and _inner(name) in WORDS
        require(ok, field, name, f"{_RANGE}X or {_STEP}X, X one of {', '.join(WORDS)}")
        return
    kind, to, target = name.partition(_TO)
    ratio = name.removeprefix(_RATIO)
    ok = name in WORDS or (bool(to) and kind in _SO_FAR and _is_accuracy(target))
    ok = ok or (referred and ratio != name and ratio in _SO_FAR)
    allowed = (
        f"one of {', '.join(WORDS)}; {' or '.join(_SO_FAR)} to an accuracy; with a reference also a ratio of these"
    )
    require(ok, field, name, allowed)


def words(name: str) -> str:
    """What stands above a value."""
    if name.startswith((_RANGE, _STEP)):
        return name.replace(_inner(name), WORDS[_inner(name)])
    kind, to, target = name.removeprefix(_RATIO).partition(_TO)
    short = _SHORT.get(kind, kind)
    if name.startswith(_RATIO):
        return f"{_RATIO}{kind if kind == 'time' else short}"
    return f"{short} to {target}" if to else WORDS.get(name, name)


def value(name: str, of: Result, refer: Result | None = None, margin: float = 0.0) -> float | None:
    """A value of a run; None where it has none, as bytes to an accuracy that it never reached.

    Args:
        name: of `WORDS`, "megabytes to 0.9", or "ratio of megabytes": of those to the accuracy that the reference's
            best one is above by `margin`, to the reference's own.
        refer: the reference's run with the same seed.
    """
    kind, to, target = name.partition(_TO)
    if to:
        return _until(kind, of, float(target))
    if name.startswith(_RATIO):
        goal = None if refer is None else refer.numbers.get("server_accuracy_best")
        if refer is None or goal is None:
            return None
        pair = [_until(name.removeprefix(_RATIO), run, goal - margin) for run in (of, refer)]
        return None if pair[0] is None or not pair[1] else pair[0] / pair[1]
    return _plain(name, of)


def over(name: str, along: Sequence[Result | None]) -> float | None:
    """The range of a value over runs in the order of an axis, or the largest step from one to the next; None where it
    is not known of all of them.

    Args:
        name: "range of server_accuracy", or "largest step of server_accuracy".
    """
    known = [each for each in (None if run is None else value(_inner(name), run) for run in along) if each is not None]
    if not along or len(known) < len(along):
        return None
    if name.startswith(_RANGE):
        return max(known) - min(known)
    return max((abs(after - before) for before, after in pairwise(known)), default=0.0)


def over_rounds(name: str, of: Result) -> dict[int, float]:
    """A value of each round in which a run has it."""
    if name == "round":
        return {round: float(round) for values in of.series.values() for round in values}
    known = of.series.get(name.replace("megabytes", "bytes"), {})
    return {round: each / 1e6 if "megabytes" in name else each for round, each in known.items()}


def _plain(name: str, of: Result) -> float | None:
    if "megabytes" not in name:
        return of.numbers.get(name)
    key = name.replace("megabytes", "bytes")
    parts: Sequence[str] = [key] if key.endswith(("_up", "_down")) else [f"{key}_up", f"{key}_down"]
    known = [of.numbers[part] for part in parts if part in of.numbers]
    return sum(known) / 1e6 if known else None


def _until(kind: str, of: Result, target: float) -> float | None:
    """What had been sent, or the simulated time, when the server's accuracy first was `target`; None where nothing is
    ever sent."""
    found = reached(over_rounds(kind, of), over_rounds("server_accuracy", of), target)
    return found if found or kind == "time" else None


def _inner(name: str) -> str:
    return name.removeprefix(_RANGE).removeprefix(_STEP)


def _is_accuracy(text: str) -> bool:
    try:
        return 0 < float(text) <= 1
    except ValueError:
        return False
