"""The run's folder: rounds.csv, summary.json, checkpoints/."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from scarlet_pl.loop import FederatedCallback, FederatedTrainer, RoundRecord
from scarlet_pl.server import ServerModule
from scarlet_pl.wire import DIRECTIONS

ROUNDS, SUMMARY, CHECKPOINTS = "rounds.csv", "summary.json", "checkpoints"


class RunFolder(FederatedCallback):
    """Writes a row of `rounds.csv` after each round and `summary.json` at the end.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._rows: list[dict[str, str]] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        done = trainer.current_epoch
        path = self.folder / ROUNDS
        kept = [row for row in read_rounds(path) if int(row["round"]) < done] if path.exists() else []
        self._rows = []
        path.unlink(missing_ok=True)
        for row in kept:
            self._write(row)

    def on_round_end(self, trainer: FederatedTrainer, server: ServerModule, record: RoundRecord) -> None:
        values = {"round": record.round, "cohort": len(record.phase.plan.cohort), **record.scalars()}
        self._write({key: "" if value is None else str(value) for key, value in values.items()})

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        if self._rows:
            summary = {**summarise(self._rows), "digest": trainer.digest()}
            (self.folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n")

    def _write(self, row: dict[str, str]) -> None:
        """Append one row; the first brings the header, so that every later one must have its fields."""
        with (self.folder / ROUNDS).open("a", newline="") as file:
            writer = csv.DictWriter(file, list(self._rows[0] if self._rows else row))
            if not self._rows:
                writer.writeheader()
            writer.writerow(row)
        self._rows.append(row)


class RoundCheckpoint(FederatedCallback):
    """Saves the whole state at the end of rounds, and keeps the newest two.

    Args:
        folder: the run's folder.
        every_n_rounds: how often; the last round always.
    """

    def __init__(self, folder: Path, every_n_rounds: int = 1) -> None:
        self.folder, self.every_n_rounds = Path(folder) / CHECKPOINTS, every_n_rounds

    def on_round_end(self, trainer: FederatedTrainer, server: ServerModule, record: RoundRecord) -> None:
        done = record.round + 1
        if done % self.every_n_rounds and done != trainer.max_epochs:
            return
        trainer.save_checkpoint(self.folder / f"round_{done:06d}.ckpt")
        if trainer.is_global_zero:
            for old in checkpoints(self.folder.parent)[:-2]:
                trainer.strategy.remove_checkpoint(str(old))


def checkpoints(folder: Path) -> list[Path]:
    """A run's checkpoints, oldest first; each is named by the number of finished rounds."""
    return sorted((Path(folder) / CHECKPOINTS).glob("round_*.ckpt"))


def read_rounds(path: Path) -> list[dict[str, str]]:
    """The rows of a `rounds.csv`."""
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


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
        for direction in DIRECTIONS
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
