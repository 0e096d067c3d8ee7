"""TensorBoard: a sub-run whose steps are rounds, one whose steps are cumulative kilobytes, one of what it came to."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams, scalar

from scarlet_pl.callbacks.split_picture import split_figure
from scarlet_pl.callbacks.tensorboard_tags import description, final, page, tag
from scarlet_pl.loop import FederatedCallback, FederatedTrainer
from scarlet_pl.record import RoundRecord
from scarlet_pl.run_files import CONFIG, FAILED, HOW_IT_STARTS, ROUNDS, read_rounds, summarise
from scarlet_pl.server import ServerModule

_CLOCKS_APART = 5.0
"""Seconds by which the clock of a machine that wrote before may be ahead; a file from later is no reason to wait."""


class TensorBoardRounds(FederatedCallback):
    """Writes `tensorboard/round`, `tensorboard/kb` and, at the end, `tensorboard/final`.

    The first two never share a folder: resuming purges by step, and a step in kilobytes is not a step in rounds. The
    last holds the hyper-parameters: TensorBoard lists every number beside them as a result.

    A number that is 0 in every round is not written; others from the first round on in which they are not.

    Args:
        folder: the run's folder; its `config.yaml`, if there is one, is shown as text and as hyper-parameters.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._rounds: SummaryWriter | None = None
        self._kilobytes: SummaryWriter | None = None
        self._begun: set[str] = set()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        done = trainer.current_epoch
        sent = sum(trainer.federation.ledger.total(direction) for direction in ("up", "down"))
        self._rounds = self._writer("round", done)
        self._kilobytes = self._writer("kb", sent // 1000 + 1 if done else 0)
        self._begun = _not_zero(self._table())
        if done:
            return
        self._rounds.add_figure("split", split_figure(trainer.federation.data))
        if self._config.exists():
            self._rounds.add_text("config", _as_markdown(self._settings()))

    def on_round_end(self, trainer: FederatedTrainer, server: ServerModule, record: RoundRecord) -> None:
        if self._rounds is None or self._kilobytes is None:
            return
        scalars = {key: value for key, value in record.scalars().items() if value is not None}
        self._begun |= {name for name, value in scalars.items() if value}
        for name, value in scalars.items():
            if name in self._begun:
                _add(self._rounds, name, value, record.round)
        labels = record.phase.outcome.labels
        if labels is not None and bool((labels.ages > 0).any()):
            self._rounds.add_histogram("cache/ages", labels.ages[labels.ages > 0], record.round)
        sent = scalars.get("bytes/cumulative")
        for who in ("server", "client"):
            if sent and f"{who}/accuracy" in scalars:
                _add(self._kilobytes, f"over_kb/{who}_accuracy", scalars[f"{who}/accuracy"], int(sent // 1000))
        if record.round == 0:
            self._rounds.add_custom_scalars(page(_has(trainer, bool(sent))))
        for writer in (self._rounds, self._kilobytes):
            writer.flush()  # before the checkpoint after which nobody will write them again

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        if self._rounds is None:  # all rounds were there already
            self.on_train_start(trainer, pl_module)
        if self._rounds is None or self._kilobytes is None:
            return
        rows = self._table()
        if self._config.exists() and rows:
            with self._writer("final", 0) as writer:
                results = final(summarise(rows))
                _, *session = hparams(dict(_leaves(self._settings())), results)  # columns: TensorBoard's own choice
                for summary in session:
                    writer._get_file_writer().add_summary(summary)
                for name, value in results.items():
                    _add(writer, name, value, 0)  # of a run that is resumed the last ones alone
        self._rounds.close()
        self._kilobytes.close()

    def _table(self) -> list[dict[str, str]]:
        rows = self.folder / ROUNDS
        return read_rounds(rows) if rows.exists() else []

    def _settings(self) -> dict[str, Any]:
        """The configuration, without Lightning's flags that are not set."""
        settings: dict[str, Any] = yaml.safe_load(self._config.read_text())
        flags = settings.get("trainer") or {}
        return {**settings, "trainer": {name: value for name, value in flags.items() if value is not None}}

    @property
    def _config(self) -> Path:
        return self.folder / CONFIG

    def _writer(self, name: str, first_step: int) -> SummaryWriter:
        """A writer that takes back what an earlier one wrote from `first_step` on."""
        folder = self.folder / "tensorboard" / name
        seconds = (path.name.split(".")[3] for path in folder.glob("events.out.tfevents.*"))
        written = [int(second) for second in seconds if second.isdecimal()]
        # TensorBoard reads files by the second in their names: what purges must come after what is purged
        soon = max((second for second in written if second < time.time() + _CLOCKS_APART), default=0)
        while int(time.time()) <= soon:
            time.sleep(0.05)
        return SummaryWriter(str(folder), purge_step=first_step)  # always: TensorBoard takes the first as no restart


def _add(writer: SummaryWriter, name: str, value: float, step: int) -> None:
    summary = scalar(tag(name), value, new_style=True)  # the old style has no description
    summary.value[0].metadata.summary_description = description(name)
    writer._get_file_writer().add_summary(summary, step)


def _has(trainer: FederatedTrainer, sends: bool) -> dict[str, bool]:
    """What a run has, for the custom page."""
    method = trainer.federation.method
    cache, server, clients = method.notes.get("without_cache") is not None, method.has_server, method.has_clients
    over = {"over_kb/server": sends and server, "over_kb/client": sends and clients}
    return {"cache/": cache, "server/": server, "client/": clients, "bytes/": sends, "labels/": sends, **over}


def _not_zero(rows: list[dict[str, str]]) -> set[str]:
    return {name for row in rows for name, cell in row.items() if name != FAILED and cell and float(cell)}


def _as_markdown(settings: dict[str, Any]) -> str:
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    return "".join(f"    {line}\n" for line in text.splitlines())


def _leaves(tree: Any, name: str = "") -> list[tuple[str, Any]]:
    """The settings of a configuration as (dotted name, value that TensorBoard shows), without those that are off and
    those that change no result."""
    if isinstance(tree, dict):
        return [leaf for key, value in tree.items() for leaf in _leaves(value, f"{name}.{key}" if name else str(key))]
    kind = name.endswith(".class_path")
    short = name.replace(".init_args", "").removesuffix(".class_path")
    lightnings = short.startswith("trainer.") and short != "trainer.max_rounds"
    if tree is None or tree is False or lightnings or short.partition(".")[0] in ("executor", *HOW_IT_STARTS):
        return []
    plain = tree if isinstance(tree, bool | int | float) else str(tree)
    return [(short, str(tree).rpartition(".")[2] if kind else plain)]
