"""TensorBoard: one sub-run whose steps are rounds, one whose steps are cumulative kilobytes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from scarlet_pl.callbacks.split_picture import split_figure
from scarlet_pl.loop import FederatedCallback, FederatedTrainer
from scarlet_pl.record import RoundRecord
from scarlet_pl.run_files import CONFIG, ROUNDS, read_rounds, summarise
from scarlet_pl.server import ServerModule


def _chart(*tags: str) -> list[object]:
    return ["Multiline", [f"^{tag}$" for tag in tags]]


_CLOCKS_APART = 5.0
"""Seconds by which the clock of a machine that wrote before may be ahead; a file from later is no reason to wait."""

_LAYOUT = {
    "scarlet_pl": {
        "accuracy over rounds": _chart("server/accuracy", "client/accuracy"),
        "accuracy over kilobytes": _chart("over_kb/server_accuracy", "over_kb/client_accuracy"),
        "cache hit rate": _chart("cache/hit_rate"),
        "bytes a round": _chart("bytes/up", "bytes/down", "no_cache_bytes/up", "no_cache_bytes/down"),
        "bytes up by part": _chart("bytes/up/.*"),
        "bytes down by part": _chart("bytes/down/.*"),
        "entropy of labels": _chart("labels/entropy_mean", "labels/entropy_sharpened"),
    }
}
"""TensorBoard's custom page; the tags are regular expressions."""


class TensorBoardRounds(FederatedCallback):
    """Writes `tensorboard/round` and `tensorboard/kb`.

    The two never share a folder: resuming purges by step, and a step in kilobytes is not a step in rounds.

    Args:
        folder: the run's folder; its `config.yaml`, if there is one, is shown as text and as hyper-parameters.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._rounds: SummaryWriter | None = None
        self._kilobytes: SummaryWriter | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        done = trainer.current_epoch
        sent = sum(trainer.federation.ledger.total(direction) for direction in ("up", "down"))
        self._rounds = self._writer("round", done)
        self._kilobytes = self._writer("kb", sent // 1000 + 1 if done else 0)
        if done:
            return
        self._rounds.add_custom_scalars(_LAYOUT)
        self._rounds.add_figure("split", split_figure(trainer.federation.data))
        if self._config.exists():
            self._rounds.add_text("config", "".join(f"    {line}\n" for line in self._config.read_text().splitlines()))

    def on_round_end(self, trainer: FederatedTrainer, server: ServerModule, record: RoundRecord) -> None:
        if self._rounds is None or self._kilobytes is None:
            return
        scalars = {key: value for key, value in record.scalars().items() if value is not None}
        for name, value in scalars.items():
            self._rounds.add_scalar(name, value, record.round)
        labels = record.phase.outcome.labels
        if labels is not None and bool((labels.ages > 0).any()):
            self._rounds.add_histogram("cache/age", labels.ages[labels.ages > 0], record.round)
        if "bytes/cumulative" in scalars:
            step = int(scalars["bytes/cumulative"] // 1000)
            for who in ("server", "client"):
                if f"{who}/accuracy" in scalars:
                    self._kilobytes.add_scalar(f"over_kb/{who}_accuracy", scalars[f"{who}/accuracy"], step)
        for writer in (self._rounds, self._kilobytes):
            writer.flush()  # before the checkpoint after which nobody will write them again

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        if self._rounds is None:  # all rounds were there already
            self.on_train_start(trainer, pl_module)
        if self._rounds is None or self._kilobytes is None:
            return
        rows = self.folder / ROUNDS
        if self._config.exists() and rows.exists():
            final = {f"final/{k}": v for k, v in summarise(read_rounds(rows)).items() if v is not None}
            settings = dict(_leaves(yaml.safe_load(self._config.read_text())))
            for summary in hparams(settings, final):
                self._rounds._get_file_writer().add_summary(summary)
            for name, value in final.items():
                self._rounds.add_scalar(name, value, trainer.max_epochs)
        self._rounds.close()
        self._kilobytes.close()

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
        return SummaryWriter(str(folder), purge_step=first_step if written else None)


def _leaves(tree: Any, name: str = "") -> list[tuple[str, Any]]:
    """The settings of a configuration as (dotted name, value that TensorBoard shows), without those that are off."""
    if isinstance(tree, dict):
        return [leaf for key, value in tree.items() for leaf in _leaves(value, f"{name}.{key}" if name else str(key))]
    if tree is None or tree is False or (name.startswith("trainer.") and name != "trainer.max_rounds"):
        return []
    short = name.replace(".init_args", "").replace(".class_path", "")
    return [(short, tree if isinstance(tree, bool | int | float | str) else str(tree))]
