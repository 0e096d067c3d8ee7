"""The settings that were given, by flag or file: an error may say a setting's name in part alone."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from scarlet_pl.report.runs import dotted
from scarlet_pl.run_files import is_file
from scarlet_pl.yaml_files import check_yaml, read_yaml


def full_name(field: str, arguments: Iterable[str], got: str) -> str | None:
    """The given setting that an error means: its name has the parts of `field` in their order and ends as that does,
    and its value is the rejected one. None if there is none.

    Args:
        field: as the error has it. A part knows its name, and not the part that it stands in.
        arguments: the command line.
        got: the rejected value, as the error has it.
    """
    alike = [name for name, value in _given(list(arguments)) if _means(field, name) and _same(value, got)]
    return field if field in alike else next(iter(alike), None)


def _given(arguments: list[str]) -> Iterator[tuple[str, Any]]:
    """By dotted name, flags before files."""
    words = [part for word in arguments for part in (word.split("=", 1) if word.startswith("--") else [word])]
    pairs = [(flag[2:], value) for flag, value in pairwise(words) if flag.startswith("--")]
    wholes = [({} if name == "config" else _read(value), name) for name, value in pairs]
    wholes += [(_file(value), "") for name, value in pairs if name == "config"]
    for whole, under in wholes:
        for name, value in dotted(whole, under).items():
            parts = [part for part in name.split(".") if part not in ("init_args", "dict_kwargs", "class_path")]
            yield ".".join(parts), value


def _read(value: str) -> Any:
    try:
        check_yaml(value)
        return yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, AttributeError, LookupError, TypeError):  # "!!timestamp noon"
        return value


def _file(path: str) -> Any:
    try:
        return read_yaml(Path(path)) if is_file(Path(path)) else {}  # a pipe was read already
    except (OSError, ValueError):
        return {}


def _means(field: str, name: str) -> bool:
    parts, ends = iter(name.split(".")), (name.rpartition(".")[2], field.rpartition(".")[2])
    return ends[0] == ends[1] and all(part in parts for part in field.split("."))


def _same(value: Any, got: str) -> bool:
    try:
        rejected = literal_eval(got)
    except (ValueError, SyntaxError):
        rejected = got
    try:
        return float(value) == float(rejected)
    except (ValueError, TypeError, OverflowError):
        return str(value) == str(rejected)
