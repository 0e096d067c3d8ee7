"""Arguments of the commands that are no runs, without torch and Lightning."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import NoReturn

from scarlet_pl.errors import ConfigError, require


def in_one_line(command: Callable[[list[str]], int]) -> Callable[[list[str]], int]:
    """The command, which says in one line what is wrong: of a value, and returns 2, or of a file, and returns 1."""

    @wraps(command)
    def run(argv: list[str]) -> int:
        try:
            return command(argv)
        except ConfigError as error:
            print(f"scarlet-pl: {error}", file=sys.stderr)
            return 2
        except (OSError, UnicodeDecodeError) as error:
            print(f"scarlet-pl: {error}", file=sys.stderr)
            return 1

    return run


def check_folder(field: str, folder: Path | None) -> None:
    """Raise `ConfigError` if there is something else where a folder is or will be."""
    there = next((each for each in (folder, *folder.parents) if each.exists()), None) if folder else None
    require(there is None or there.is_dir(), field, str(folder), "a folder")


class Arguments(argparse.ArgumentParser):
    """Says what is wrong in one line, and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        print(f"scarlet-pl: {message}", file=sys.stderr)
        raise SystemExit(2)


class RunArguments(Arguments):
    """Runs, targets and what makes a row: what the commands that compare runs have in common."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(prog=f"scarlet-pl {command}", description=description, allow_abbrev=False)
        self.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs")
        text = "server accuracies: megabytes to reach them"
        self.add_argument("--target", nargs="+", type=float, default=[], help=text)
        text = "one row a configuration, over its seeds (default), or a run"
        self.add_argument("--by", choices=("seed", "run"), default="seed", help=text)
