"""The run's folder: rounds.csv, summary.json, checkpoints/."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from scarlet_pl.loop import FederatedCallback, FederatedTrainer
from scarlet_pl.record import RoundRecord
from scarlet_pl.run_files import CHECKPOINTS, ROUNDS, SUMMARY, checkpoint_name, checkpoints, read_rounds, summarise
from scarlet_pl.server import ServerModule


class RunFolder(FederatedCallback):
    """Writes a row of `rounds.csv` after each round and `summary.json` at the end.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._rows: list[dict[str, str]] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        done = trainer.current_epoch
        path = self.folder / ROUNDS
        kept = [row for row in read_rounds(path) if int(row["round"]) < done] if path.exists() else []
        self._rows = []
        path.unlink(missing_ok=True)
        for row in kept:
            self._write(row)

    def on_round_end(self, trainer: FederatedTrainer, server: ServerModule, record: RoundRecord) -> None:
        if not trainer.is_global_zero:
            return
        values = {"round": record.round, "cohort": len(record.phase.plan.cohort), **record.scalars()}
        failed = "; ".join(f"client {each.client}: {each.error}" for each in record.phase.failures)
        row = {key: "" if value is None else str(value) for key, value in values.items()}
        self._write({**row, "failed": " ".join(failed.split())})

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
        trainer.save_checkpoint(self.folder / checkpoint_name(done))
        if trainer.is_global_zero:
            for old in checkpoints(self.folder.parent)[:-2]:
                trainer.strategy.remove_checkpoint(str(old))
