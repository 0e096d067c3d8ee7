"""What a configuration is called in a table or a picture: its name and, if others have the same, what differs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

from scarlet_pl.printable import printable
from scarlet_pl.report.runs import SEED

FOLDER = "folder"
"""Stands among the settings of a run that is to be told from its like; shown where nothing else differs."""

_SYMBOLS = {
    "method.cache.duration": "D",
    "method.aggregator.beta": "β",
    "method.aggregator.temperature": "T",
    "data.partition.alpha": "α",
    "data.num_clients": "K",
    "trainer.max_rounds": "rounds",
    SEED: "seed",
}
_KIND = ".class_path"
_LONGEST = 30
_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)")

Settings = dict[str, Any]
_Column = list[str | None]


def symbol(name: str) -> str:
    """What a setting is called in a table or a picture: its symbol, or else the last part of its name."""
    return _SYMBOLS.get(name, name.rpartition(".")[2])


def labels(names: list[str], settings: list[Settings]) -> list[str]:
    """One label for each configuration, all of them different and none of them a path.

    Args:
        names: what the configurations are called, such as "scarlet".
        settings: their settings by dotted name, one mapping for each.

    Returns:
        The name alone where no other has it; else the name and the settings that differ among those who have it, in
        short: "scarlet D=25 α=0.3". A number in brackets where even these are alike.
    """
    found = list(names)
    for shown in (_telling, _other):
        so_far = list(found)
        for label in (each for each, times in Counter(so_far).items() if times > 1):
            alike = [number for number, each in enumerate(so_far) if each == label]
            for number, text in zip(alike, _differences([settings[each] for each in alike], shown), strict=True):
                found[number] = f"{label} {text}".strip()
    return _numbered([printable(each) for each in found])


def reading_order(names: list[str], found: list[str]) -> list[int]:
    """Places of labels: those of one name together, in the order in which names first come, D=5 before D=10."""

    def key(place: int) -> tuple[int, list[str | float]]:
        parts = _NUMBER.split(found[place])
        return names.index(names[place]), [float(part) if odd % 2 else part for odd, part in enumerate(parts)]

    return sorted(range(len(names)), key=key)


def that_differ(settings: list[Settings]) -> list[str]:
    """The names of the settings that not all have alike, those with a symbol first; without those that follow from
    another, as the settings of a part that only some have."""
    return [name for name, column in _columns(settings).items() if len(set(column)) > 1 and _telling(name, column)]


def _columns(settings: list[Settings]) -> dict[str, _Column]:
    every = dict.fromkeys([*_SYMBOLS, *(name for each in settings for name in each)])
    return {name: [repr(each[name]) if name in each else None for each in settings] for name in every}


def _differences(settings: list[Settings], shown: Callable[[str, _Column], bool]) -> list[str]:
    columns = _columns(settings)
    names = [name for name, column in columns.items() if len(set(column)) > 1 and shown(name, column)]
    shorts = {name: _short(name, columns) for name in names}
    return [
        " ".join(dict.fromkeys(_text(name, shorts[name], each[name]) for name in names if name in each))
        for each in settings
    ]


def _telling(name: str, column: _Column) -> bool:
    """Whether to show a setting. One that some have not, as β without an aggregator that has it, follows from another
    one: it is shown if it differs among those that have it, or is well known."""
    known = {value for value in column if value is not None}
    return name != FOLDER and (None not in column or len(known) > 1 or known == {"None"} or name in _SYMBOLS)


def _other(name: str, column: _Column) -> bool:
    return not _telling(name, column)


def _short(name: str, columns: dict[str, _Column]) -> str:
    """The shortest form of a dotted name that can mean no other setting, or only some with the same values."""
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    for which, form in enumerate(_forms(name)):
        meant = [column for other, column in columns.items() if _forms(other)[which] == form]
        if all(column == columns[name] for column in meant):
            return form
    return name


def _forms(name: str) -> tuple[str, str, str, str]:
    parts = name.removesuffix(_KIND).split(".")
    return parts[-1], " ".join(parts[-2:]), f"{parts[0]} {parts[-1]}", name


def _text(name: str, short: str, value: Any) -> str:
    if value is None or isinstance(value, bool):
        return f"{short} {'on' if value else 'off'}"
    if isinstance(value, float):
        return f"{short}={value:.12g}"
    words = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    words = words.rpartition("." if name.endswith(_KIND) else "/")[2]
    text = " ".join(words.split()) if name == FOLDER else f"{short}={' '.join(words.split())}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _numbered(found: list[str]) -> list[str]:
    taken, counts, numbered = set(found), Counter(found), []
    for label in found:
        if counts[label] > 1:
            label = next(each for each in (f"{label} ({number})" for number in count(1)) if each not in taken)
            taken.add(label)
        numbered.append(label)
    return numbered
