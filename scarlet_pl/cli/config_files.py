"""The files that `--config` names, looked at before they are parsed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from scarlet_pl.errors import require
from scarlet_pl.run_files import is_file
from scarlet_pl.sweep.experiment import SWEEP
from scarlet_pl.yaml_files import read_yaml


def check_config_files(arguments: list[str]) -> None:
    """Raise `ConfigError` if a file given by `--config` is no YAML mapping of one run's settings. One that is not there
    is left to the parser."""
    files = [after for flag, after in pairwise(arguments) if flag in ("--config", "-c")]
    files += [argument.partition("=")[2] for argument in arguments if argument.startswith("--config=")]
    for file in files:
        if not is_file(Path(file)):
            continue
        try:
            wrong = _wrong(read_yaml(Path(file)))
        except (OSError, ValueError) as error:
            wrong = str(error)
        require(not wrong, "config", file, f"a YAML file with a mapping of settings ({wrong})")


def _wrong(settings: Any) -> str:
    if not isinstance(settings, dict):
        return "it holds none"
    return "it is an experiment, for scarlet-pl sweep" if SWEEP in settings else ""
