"""A run as an app at a SuperLink: submitted, shown line by line, and asked for its exit code."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path

from scarlet_pl.cli.signals import how_to_go_on, say
from scarlet_pl.flower.app_folder import write_app
from scarlet_pl.flower.link import Link
from scarlet_pl.run_files import FLOWER

_FAILED = 1
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_END = re.compile(r"ERROR\s*: +ServerApp raised an exception")
_FLOWERS = re.compile(r"INFO\s*:|Using SuperLink: |Successfully installed scarlet-app")


def run_on(link: Link, run_dir: Path, arguments: list[str], lost: Callable[[], str] = str) -> int:
    """Run `scarlet-pl fit` with these arguments as an app at a SuperLink; the exit code.

    Args:
        lost: says what the run cannot do without and is there no more, which ends it.
    """
    app, end = run_dir / FLOWER / "app", run_dir / FLOWER / "exit"
    write_app(app)
    end.unlink(missing_ok=True)
    folder, said = str(Path.cwd()), list[str]()
    number = link.submit(app, {"arguments": shlex.join(arguments), "folder": folder, "exit_file": str(end)})
    link.follow(number, lambda line: _show(line, said), lost)
    while not end.is_file() and not lost() and _running(link, number):  # what follows it has ended before it
        time.sleep(1)
        link.follow(number, lambda line: _show(line, said), lost)
    try:
        return int(end.read_text())
    except (OSError, ValueError):
        print("".join(f"{line}\n" for line in said), end="", flush=True)
        who = "SuperLink" if link.process.poll() is not None else "server's process"
        say(f"{lost() or f'the {who} has ended'}{how_to_go_on()}")
        return _FAILED


def _running(link: Link, number: int) -> bool:
    try:
        return link.process.poll() is None and not link.status(number).startswith("finished")
    except RuntimeError:  # the SuperLink does not answer
        return False


def _show(line: str, held_back: list[str]) -> None:
    """A line of the run's log, but for what Flower says of itself. How the run ended it has said itself; what Flower
    says of that is held back."""
    plain = _COLOUR.sub("", line)
    if held_back or _END.match(plain):
        held_back.append(line)
    elif not _FLOWERS.match(plain):
        print(line, flush=True)
