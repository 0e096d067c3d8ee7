"""What a person watches while it runs."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from scarlet_pl.loop import FederatedCallback, FederatedTrainer
from scarlet_pl.record import RoundRecord
from scarlet_pl.server import ServerModule
from scarlet_pl.transport import ClientReport

_PLAIN_SECONDS = 2.0


class RoundProgress(FederatedCallback):
    """Rounds, the clients of the round, time left, accuracy, hit rate and megabytes.

    On a terminal two live bars; elsewhere a plain line every two seconds at most, and the last.

    Args:
        console: where to; standard output when None.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._bars: Progress | None = None
        self._rounds, self._clients = TaskID(0), TaskID(0)
        self._accuracy: dict[str, float] = {}
        self._printed = 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        columns = (
            TextColumn("{task.description:>7}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._bars = Progress(*columns, console=self.console)
        done = trainer.current_epoch
        self._rounds = self._bars.add_task("rounds", total=trainer.max_epochs, completed=done, note="")
        self._clients = self._bars.add_task("clients", total=1, note="")
        self._bars.start()

    def on_round_start(self, trainer: FederatedTrainer, server: ServerModule, round: int) -> None:
        if self._bars is not None:
            self._bars.reset(self._clients, total=len(trainer.federation.cohort(round)), note="")

    def on_client_end(self, trainer: FederatedTrainer, server: ServerModule, report: ClientReport) -> None:
        if self._bars is not None:
            self._bars.advance(self._clients)

    def on_round_end(self, trainer: FederatedTrainer, server: ServerModule, record: RoundRecord) -> None:
        if not trainer.is_global_zero:
            return
        scalars = record.scalars()
        for who in ("server", "client"):
            value = scalars.get(f"{who}/accuracy")
            if value is not None:
                self._accuracy[who] = value
        parts = [f"{who} {value:.3f}" for who, value in self._accuracy.items()]
        if scalars.get("cache/hit_rate") is not None:
            parts.append(f"hits {scalars['cache/hit_rate']:.0%}")
        if scalars.get("bytes/cumulative") is not None:
            parts.append(f"{(scalars['bytes/cumulative'] or 0) / 1e6:.2f} MB")
        note = "  ".join(parts)
        if self._bars is not None:
            self._bars.update(self._rounds, advance=1, note=note)
        else:
            self._print(trainer, record, note)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._stop()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._stop()

    def _print(self, trainer: FederatedTrainer, record: RoundRecord, note: str) -> None:
        now, last = time.monotonic(), record.round + 1 == trainer.max_epochs
        if last or now - self._printed >= _PLAIN_SECONDS:
            self._printed = now
            self.console.print(f"round {record.round + 1}/{trainer.max_epochs}  {note}  {record.seconds:.2f} s/round")

    def _stop(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
