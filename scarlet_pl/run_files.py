"""What lies in a run's folder, read without importing torch: comparing runs must start at once."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

FAILED = "failed"
"""The column of `rounds.csv` that holds words."""

CONFIG, ROUNDS, SUMMARY = "config.yaml", "rounds.csv", "summary.json"
CHECKPOINTS, CLIENTS = "checkpoints", "clients"

_MOST_NODES, _DEEPEST = 100_000, 100

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


def read_yaml(path: Path) -> Any:
    """What a YAML file holds: plain values.

    Raises:
        ValueError: it holds none, or too many, in one line.
        OSError: it cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        check_yaml(text)
        return yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start})") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def check_yaml(text: str) -> None:
    """Raise `yaml.YAMLError` if a YAML text is none, has a key twice, is nested too deeply, or has too many values when
    its aliases are written out."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)  # the one in Python: deep nesting is an error, not a crash
        if root is not None:
            _check_node(root, {}, 0)
    except RecursionError as error:
        raise yaml.YAMLError("nested too deeply") from error


def _check_node(node: yaml.Node, sizes: dict[int, int | None], depth: int) -> int:
    """How many nodes there are from this one on with all aliases written out."""
    known = sizes.get(id(node), 0)
    if known is None or depth > _DEEPEST:
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: nested too deeply, or in itself")
    if known:
        return known
    sizes[id(node)] = None  # under way
    size, inner = 1, list(node.value) if isinstance(node, yaml.CollectionNode) else []
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        inner = [each for pair in inner for each in pair]
    for each in inner:
        size += _check_node(each, sizes, depth + 1)
        if size > _MOST_NODES:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: more than {_MOST_NODES} values")
    sizes[id(node)] = size
    return size


def _check_keys(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value in seen:
            raise yaml.YAMLError(f"line {key.start_mark.line + 1}: {key.value!r} is there twice")
        seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))


def read_rounds(path: Path) -> list[dict[str, str]]:
    """The rows of a `rounds.csv`; without the last one if it was cut short while it was written.

    Raises:
        ValueError: it is no such table, in one line.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
        rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{Path(path).name} is no table ({error})") from error
    if rows and not text.endswith("\n"):
        rows.pop()
    for number, row in enumerate(rows):
        if row.get("round") != str(number) or None in row or None in row.values() or not _numbers(row):
            raise ValueError(f"{Path(path).name}: row {number + 1} is damaged")
    return rows


def _numbers(row: dict[str, str]) -> bool:
    """Whether all cells of a row are numbers, or empty; but for the one that says which clients failed."""
    try:
        for name, value in row.items():
            if value and name != FAILED:
                float(value)
    except ValueError:
        return False
    return True


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
