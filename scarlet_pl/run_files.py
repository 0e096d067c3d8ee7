"""What lies in a run's folder, read without importing torch: comparing runs must start at once."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

CONFIG, ROUNDS, SUMMARY = "config.yaml", "rounds.csv", "summary.json"
CHECKPOINTS, CLIENTS = "checkpoints", "clients"

HOW_IT_RUNS = (
    "executor",
    "trainer.accelerator",
    "trainer.callbacks",
    "trainer.checkpoint_every_n_rounds",
    "trainer.devices",
    "trainer.logger",
    "trainer.num_nodes",
    "trainer.strategy",
)
"""Settings that are no part of the experiment."""

_MOST_VALUES = 10_000


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


def read_rounds(path: Path) -> list[dict[str, str]]:
    """The rows of a `rounds.csv`."""
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def read_yaml(path: Path) -> Any:
    """A YAML file as plain values.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no YAML, or holds more than 10⁴ values once its aliases are followed.
    """
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if node is not None and _size(node, {}) > _MOST_VALUES:
            raise ValueError(f"holds more than {_MOST_VALUES} values")
        return None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, AttributeError, LookupError, TypeError) as error:  # PyYAML's, for `!!timestamp noon`
        raise ValueError(str(error)) from error


def _size(node: yaml.Node, known: dict[int, float]) -> float:
    """Values in a node, those behind an alias as often as it is used; infinite if the node is within itself."""
    if id(node) not in known:
        known[id(node)] = float("inf")
        inner = node.value if isinstance(node, yaml.CollectionNode) else []
        nodes = [each for item in inner for each in (item if isinstance(item, tuple) else (item,))]
        known[id(node)] = 1 + sum(_size(each, known) for each in nodes)
    return known[id(node)]


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
