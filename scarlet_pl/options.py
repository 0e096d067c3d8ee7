"""Settings that there are not: Lightning's that have no meaning in communication rounds, and those that moved. And how
long a run may take."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from scarlet_pl.errors import ConfigError, require

NOT_HERE = {
    "accumulate_grad_batches": "server.batch_size",
    "barebones": "nothing in its place",
    "default_root_dir": "run_dir",
    "enable_autolog_hparams": "nothing in its place: config.yaml holds all settings",
    "fast_dev_run": "trainer.max_rounds 1",
    "limit_predict_batches": "nothing in its place",
    "limit_test_batches": "nothing in its place: the server is tested on the whole test set",
    "limit_train_batches": "server.epochs, or the size of the method's draw",
    "limit_val_batches": "nothing in its place: the server is tested on the whole test set",
    "log_every_n_steps": "nothing in its place: every round is recorded",
    "max_epochs": "trainer.max_rounds",
    "max_steps": "trainer.max_rounds and server.epochs",
    "min_epochs": "trainer.max_rounds",
    "min_steps": "trainer.max_rounds and server.epochs",
    "model_registry": "nothing in its place",
    "overfit_batches": "data.private_size and data.public_size",
    "reload_dataloaders_every_n_epochs": "nothing in its place: the data stay as they are",
    "use_distributed_sampler": "nothing in its place: every rank gets its share",
    "val_check_interval": "trainer.check_val_every_n_epoch, in rounds",
}
"""Lightning's flags that have no meaning in communication rounds, and what to set in their place."""

MOVED = {
    "method.participation": "federation.availability.participation",
    "client.dropout_rate": "federation.availability.dropout_rate",
    "client.on_error": "federation.on_error",
    "client.store": "federation.store",
    "method.cache.ratio": "method.cache.admission RandomShare",
    "data.images": "data.transform",
}
"""Settings of earlier versions, and what to set in their place."""

_TIME = re.compile(r"(\d+):(\d\d):(\d\d):(\d\d)")


def moved_to(setting: str) -> str | None:
    """What to set in the place of a setting that there is no more; None if there never was one.

    Args:
        setting: its dotted name, or the end of it.
    """
    for old, new in MOVED.items():
        if setting == old or setting.startswith(f"{old}.") or old.endswith(f".{setting}"):
            return new
    return None


def check_options(options: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if one of Lightning's options has no meaning here, or a value that it only trips over."""
    for name in options.keys() & NOT_HERE.keys():
        raise ConfigError(f"trainer.{name}", options[name], f"nothing, for a run of rounds; set {NOT_HERE[name]}")
    every = options.get("check_val_every_n_epoch", 1)
    ok = isinstance(every, int) and every >= 1
    require(
        ok, "trainer.check_val_every_n_epoch", every, "an integer >= 1: rounds from one test of the server to the next"
    )
    clip = options.get("gradient_clip_val")
    require(clip is None or clip >= 0, "trainer.gradient_clip_val", clip, "a number >= 0, or null")


def check_monitors(callbacks: Sequence[object], known: Sequence[str]) -> None:
    """Raise `ConfigError` if a callback monitors what nobody logs; Lightning says so only after a round. A callback of
    the user's own may log anything.

    Args:
        known: what the server logs.
    """
    ours = all(type(each).__module__.partition(".")[0] in ("scarlet_pl", "lightning") for each in callbacks)
    for callback in callbacks if ours else ():
        monitor = getattr(callback, "monitor", None)
        ok = monitor is None or monitor in known
        require(ok, "trainer.callbacks.monitor", monitor, ", ".join(known) or "nothing: no server is tested")


def seconds(duration: str | timedelta | None) -> float:
    """A duration, "DD:HH:MM:SS" or a timedelta, in seconds; infinite for None.

    Raises:
        ConfigError: it is none.
    """
    if duration is None:
        return math.inf
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    parts = _TIME.fullmatch(duration)
    if parts is None:
        raise ConfigError("trainer.max_time", duration, "a time as DD:HH:MM:SS, days first")
    days, hours, minutes, seconds = map(int, parts.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
