"""Settings as they are given, made ready for the parser."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scarlet_pl.cli.parts import names, part_of
from scarlet_pl.errors import require
from scarlet_pl.run_files import is_file
from scarlet_pl.shipped import find_config
from scarlet_pl.sweep.file import SWEEP
from scarlet_pl.yaml_files import read_yaml


@contextmanager
def called_with(arguments: Sequence[str]) -> Iterator[None]:
    """In the block the command line has these arguments."""
    before = list(sys.argv)
    sys.argv[:] = ["scarlet-pl", *ready(arguments)]
    try:
        yield
    finally:
        sys.argv[:] = before


def ready(arguments: Sequence[str]) -> list[str]:
    """The arguments with the names of parts as they are spelled (`--executor threads` is `--executor Threads`), and of
    `--config` the file that it names.

    Raises:
        ConfigError: a file given by `--config` is not there, or is no YAML mapping of one run's settings.
    """
    done, flag = [], ""
    for argument in arguments:
        named, equals, value = argument.partition("=") if argument.startswith("--") else (flag, "", argument)
        value = _spelled(named, value)
        done.append(f"{named}={value}" if equals else argument if argument.startswith("--") else value)
        flag = argument if argument.startswith("--") and not equals else ""
    return done


def _spelled(flag: str, value: str) -> str:
    if flag == "--config" and value:
        file = find_config(value)
        _check(file)
        return str(file)
    base = part_of(flag[2:]) if flag else None
    return {name.lower(): name for name in names(base)}.get(value.lower(), value) if base else value


def _check(file: Path) -> None:
    if not is_file(file):
        return  # which the parser says
    try:
        wrong = _wrong(read_yaml(file))
    except (OSError, ValueError) as error:
        wrong = str(error)
    require(not wrong, "config", str(file), f"a YAML file with a mapping of settings ({wrong})")


def _wrong(settings: Any) -> str:
    if not isinstance(settings, dict):
        return "it holds none"
    return "it is an experiment, for scarlet-pl sweep" if SWEEP in settings else ""
