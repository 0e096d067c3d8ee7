"""What lies in a run's folder, read without importing torch: comparing runs must start at once."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import IO, Any

from scarlet_pl import __version__

FAILED = "failed"
"""The column of `rounds.csv` that holds words."""

CONFIG, ROUNDS, SUMMARY = "config.yaml", "rounds.csv", "summary.json"
CHECKPOINTS, CLIENTS, FLOWER = "checkpoints", "clients", "flower"

HOW_IT_STARTS = ("name", "run_dir", "ckpt_path", "resume", "resume_override", "trust_code")
"""Settings of one start of a run."""

HOW_IT_RUNS = (
    "executor",
    "trainer.accelerator",
    "trainer.callbacks",
    "trainer.checkpoint_every_n_rounds",
    "trainer.devices",
    "trainer.logger",
    "trainer.max_time",
    "trainer.num_nodes",
    "trainer.strategy",
)
"""Settings that are no part of the experiment."""


def checkpoint_name(done: int) -> str:
    """The file of the checkpoint after so many rounds."""
    return f"round_{done:06d}.ckpt"


def rounds_done(checkpoint: Path) -> int:
    """The inverse of `checkpoint_name`."""
    return int(checkpoint.stem.rpartition("_")[2])


def checkpoints(folder: Path) -> list[Path]:
    """A run's checkpoints, oldest first; each is named by the number of finished rounds."""
    return sorted((Path(folder) / CHECKPOINTS).glob("round_*.ckpt"))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say which file it was that could not be written; torch reports a full disk as a RuntimeError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        below = error if isinstance(error, OSError) else error.__context__
        reason = getattr(below, "strerror", None) or str(error).splitlines()[0]
        raise OSError(f"{path} could not be written: {reason}") from error


_commit = ""


def use_commit(known: str) -> None:
    """From now on `commit` gives this one: what this process has imported may be older than what lies there now."""
    global _commit
    _commit = known


def commit() -> str:
    """The commit of this package where it lies in a clone, with "+" for changes since; else its version."""
    if _commit:
        return _commit
    here = Path(__file__).parents[1]
    command = ["git", "-C", str(here), "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+"]
    try:
        said = subprocess.run(command, capture_output=True, text=True) if (here / ".git").exists() else None
    except OSError:
        said = None
    return said.stdout.strip() if said is not None and not said.returncode else __version__


def versions() -> dict[str, str]:
    """Of the software that decides a run's bits, by name."""
    others = {name: version(name) for name in ("torch", "lightning", "numpy")}
    return {"scarlet_pl": __version__, "python": python_version(), **others}


def replace(target: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file as a whole, or not at all."""
    with writing(target):
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", suffix=".tmp", delete=False) as file:
            try:
                os.fchmod(file.fileno(), 0o666 & ~_umask())
                write(file)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                os.unlink(file.name)
                raise
        os.replace(file.name, target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_rounds(path: Path) -> list[dict[str, str]]:
    """The rows of a `rounds.csv`; without the last one if it was cut short while it was written.

    Raises:
        ValueError: it is no such table, in one line.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"no table ({error})") from error
    if rows and not text.endswith("\n"):
        rows.pop()
    for number, row in enumerate(rows):
        _check_row(row, number)
    return rows


def _check_row(row: dict[str, str], number: int) -> None:
    names: list[str | None] = list(row)
    cells: list[str | None] = list(row.values())
    if None in names or None in cells:  # where a long row goes on, and what a cut one lacks
        raise ValueError(f"row {number + 1} has not as many cells as the header")
    if row.get("round") != str(number):
        raise ValueError(f"row {number + 1} is not that of round {number}")
    for name, cell in row.items():
        try:
            float(cell or 0) if name != FAILED else 0
        except ValueError:
            raise ValueError(f"{name} of round {number} is {cell[:40]!r}, not a number") from None


def is_file(path: Path) -> bool:
    """Whether there is such a file; not if none can have that name."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def summarise(rows: list[dict[str, str]]) -> dict[str, Any]:
    """What a run came to, from its rounds."""

    def known(name: str) -> list[float]:
        return [float(row[name]) for row in rows if row.get(name)]

    def last(name: str) -> float | None:
        return (known(name) or [None])[-1]  # type: ignore[list-item]

    def best(name: str) -> float | None:
        return max(known(name), default=None)

    def total(name: str) -> int | None:
        return int(sum(known(name))) if known(name) else None

    hits, requests = total("cache/hits") or 0, total("cache/requests") or 0
    sent = {
        f"{kind}_{direction}": total(f"{kind}/{direction}")
        for kind in ("bytes", "paper_bytes", "shannon_bytes", "no_cache_bytes", "no_cache_paper_bytes")
        for direction in ("up", "down")
    }
    return {
        "rounds": len(rows),
        "server_accuracy": last("server/accuracy"),
        "server_accuracy_best": best("server/accuracy"),
        "client_accuracy": last("client/accuracy"),
        "client_accuracy_best": best("client/accuracy"),
        "cache_hit_rate": hits / (hits + requests) if hits + requests else None,
        **sent,
        "seconds": round(sum(known("seconds")), 3),
    }
