"""The run's folder: rounds.csv, summary.json, checkpoints/."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

from scarlet_pl.loop import FederatedCallback, FederatedTrainer
from scarlet_pl.record import RoundRecord
from scarlet_pl.run_files import (
    CHECKPOINTS,
    FAILED,
    ROUNDS,
    SUMMARY,
    checkpoint_name,
    checkpoints,
    commit,
    read_rounds,
    replace,
    summarise,
    versions,
    writing,
)
from scarlet_pl.server import ServerModule


class RunFolder(FederatedCallback):
    """Writes a row of `rounds.csv` after each round and `summary.json` at the end.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._fields: list[str] = []
        self._commit = commit()  # now: a run may last for days

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        self._fields = []
        self._rewrite(trainer.current_epoch)

    def on_round_end(self, trainer: FederatedTrainer, server: ServerModule, record: RoundRecord) -> None:
        if not trainer.is_global_zero:
            return
        values = {"round": record.round, "cohort": len(record.phase.plan.cohort), **record.scalars()}
        failures = [f"client {each.client}: {each.error}" for each in record.phase.failures]
        failed = "; ".join([*failures, *(f"client {client} started anew" for client in record.phase.anew)])
        row = {key: "" if value is None else str(value) for key, value in values.items()}
        row[FAILED] = " ".join(failed.split())
        new = [name for name in row if name not in self._fields]
        self._fields += new
        if new:  # the first round, or the first with a callback that a resumed run has and the earlier one had not
            self._rewrite(record.round)
        self._write(self.folder / ROUNDS, [row])

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        # also of a run that had finished all its rounds before it was killed
        if trainer.is_global_zero and (self.folder / ROUNDS).exists():
            notes = {"without_cache": None, **trainer.federation.method.notes}
            rounds = summarise(read_rounds(self.folder / ROUNDS))
            network = trainer.federation.transport.statistics
            summary = {**rounds, **notes, **({"network": network} if network else {}), "commit": self._commit}
            summary |= {"versions": versions(), "digest": trainer.digest()}
            text = json.dumps(summary, indent=2) + "\n"
            replace(self.folder / SUMMARY, lambda file: file.write(text.encode()))

    def _rewrite(self, done: int) -> None:
        """The table with the rounds before `done` alone, whole or as it was."""
        path = self.folder / ROUNDS
        rows = read_rounds(path) if path.exists() else []
        kept = [row for row in rows if int(row["round"]) < done]
        self._fields = self._fields or (list(kept[0]) if kept else [])
        again = path.with_suffix(".tmp")
        again.unlink(missing_ok=True)
        self._write(again, kept)
        os.replace(again, path)

    def _write(self, path: Path, rows: list[dict[str, str]]) -> None:
        """Append rows to a table; an empty one gets a header before its first."""
        with writing(path), path.open("a", newline="") as file:
            writer = csv.DictWriter(file, self._fields)
            if rows and not file.tell():
                writer.writeheader()
            writer.writerows(rows)
            file.flush()
            os.fsync(file.fileno())  # a checkpoint that is safe must not find its rounds gone


class RoundCheckpoint(FederatedCallback):
    """Saves the whole state at the end of rounds, and keeps the newest two.

    Args:
        folder: the run's folder.
        every_n_rounds: how often; the last round always.
    """

    def __init__(self, folder: Path, every_n_rounds: int = 1) -> None:
        self.folder, self.every_n_rounds = Path(folder) / CHECKPOINTS, every_n_rounds

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        newer = [path for path in checkpoints(self.folder.parent) if path.name > checkpoint_name(trainer.current_epoch)]
        for path in (*newer, *self.folder.glob(".*.tmp")):  # what is damaged, and what was killed while it was written
            trainer.strategy.remove_checkpoint(str(path))

    def on_round_end(self, trainer: FederatedTrainer, server: ServerModule, record: RoundRecord) -> None:
        done = record.round + 1
        if done % self.every_n_rounds and done != trainer.max_epochs and not trainer.should_stop:
            return
        trainer.save_checkpoint(self.folder / checkpoint_name(done))
        trainer.federation.transport.saved()
        if trainer.is_global_zero:
            for old in checkpoints(self.folder.parent)[:-2]:
                trainer.strategy.remove_checkpoint(str(old))
