"""What a person watches while it runs."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from scarlet_pl.loop import FederatedCallback, FederatedTrainer
from scarlet_pl.record import RoundRecord
from scarlet_pl.round import ClientPhase
from scarlet_pl.server import ServerModule
from scarlet_pl.transport import ClientReport

_PLAIN_SECONDS = 2.0
_ONLY = TaskID(0)
"""Each of the bars has one task."""


class RoundProgress(FederatedCallback):
    """Rounds, seconds a round and time left; the phase of the round (clients, server, test); accuracy, hit rate and
    megabytes.

    On a terminal three live lines; elsewhere a plain line every two seconds at most, and the last. In a notebook one
    line takes the place of the other.

    Args:
        console: where to; standard output when None.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._live: Live | None = None
        self._rounds = Progress(*_columns(), TimeRemainingColumn(elapsed_when_finished=True))
        self._clients = Progress(*_columns())
        self._numbers = Text()
        self._accuracy: dict[str, str] = {}
        self._printed = 0.0
        self._cell: Any = None
        """Where a notebook shows the line."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        done = trainer.current_epoch
        self._rounds.add_task("rounds", total=trainer.max_epochs, completed=done, note="")
        self._clients.add_task("clients", total=1, note="")
        self._live = Live(Group(self._rounds, self._clients, self._numbers), console=self.console)
        self._live.start()

    def on_round_start(self, trainer: FederatedTrainer, server: ServerModule, round: int) -> None:
        if self._live is not None:
            self._clients.reset(_ONLY, total=len(trainer.federation.cohort(round)), note="")

    def on_client_end(self, trainer: FederatedTrainer, server: ServerModule, report: ClientReport) -> None:
        if self._live is not None:
            self._clients.advance(_ONLY)

    def on_client_phase_end(self, trainer: FederatedTrainer, server: ServerModule, phase: ClientPhase) -> None:
        self._now("server")

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._now("test")

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._now("test")  # of the clients

    def on_round_end(self, trainer: FederatedTrainer, server: ServerModule, record: RoundRecord) -> None:
        if not trainer.is_global_zero:
            return
        numbers, pace = self._told(record.round, record.scalars()), f"{record.seconds:.2f} s/round"
        if self._live is not None:
            self._rounds.update(_ONLY, advance=1, note=pace)
            self._numbers.plain = f"{'':8}{numbers}"
        else:
            self._print(trainer, record.round, f"{numbers}  {pace}")

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._stop()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._stop()

    def _told(self, round: int, scalars: dict[str, float | None]) -> str:
        """The numbers of a round; of clients that were not tested in it, those of the last test, with its round."""
        parts = []
        for who in ("server", "client"):
            value = scalars.get(f"{who}/accuracy")
            if value is not None:
                parts.append(f"{who} {value:.3f}")
                self._accuracy[who] = f"{who} {value:.3f} (round {round + 1})"
            elif who in self._accuracy:
                parts.append(self._accuracy[who])
        if scalars.get("cache/hit_rate"):
            parts.append(f"hits {scalars['cache/hit_rate']:.0%}")
        if scalars.get("bytes/cumulative") is not None:
            parts.append(f"{(scalars['bytes/cumulative'] or 0) / 1e6:.2f} MB")
        return "  ".join(parts)

    def _now(self, phase: str) -> None:
        """Show what comes after the clients."""
        if self._live is not None:
            self._clients.update(_ONLY, note=f"now: {phase}")

    def _print(self, trainer: FederatedTrainer, round: int, note: str) -> None:
        now, last = time.monotonic(), round + 1 == trainer.max_epochs
        if last or now - self._printed >= _PLAIN_SECONDS:
            self._printed = now
            self._say(f"round {round + 1}/{trainer.max_epochs}  {note}")

    def _say(self, line: str) -> None:
        """Print a line; in a notebook in place of the last one."""
        if not self.console.is_jupyter:
            self.console.print(line, soft_wrap=True)
        elif self._cell is None:
            from IPython.display import display  # which is there, in a notebook

            self._cell = display({"text/plain": line}, raw=True, display_id=True)
        else:
            self._cell.update({"text/plain": line}, raw=True)

    def _stop(self) -> None:
        if self._live is not None:
            self._clients.update(_ONLY, visible=False)
            self._live.stop()
            self._live = None


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description:>7}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
    )
