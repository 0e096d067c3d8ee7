"""Commands inside a Python process that goes on after them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.seed import isolate_rng

from scarlet_pl.cli.guard import checking_input
from scarlet_pl.cli.parser import BadInput
from scarlet_pl.errors import require
from scarlet_pl.locks import unlock
from scarlet_pl.quiet import quiet
from scarlet_pl.sweep.experiment import flags

Config = str | PathLike[str]

_NO_SETTINGS = ("config", "help", "print_config", "run_dir", "resume", "resume_override", "trust_code", "ckpt_path")


@contextmanager
def in_session() -> Iterator[None]:
    """What a command sees to at its end. Bad input is a `ValueError`, and the process' random generators stay as they
    are."""
    try:
        with quiet(), isolate_rng(), checking_input():
            yield
    except BadInput as wrong:
        raise ValueError(str(wrong)) from None
    finally:
        unlock()


def config_arguments(config: Config | Sequence[Config], overrides: Mapping[str, Any] | None) -> list[str]:
    """Settings as arguments of a command.

    Args:
        config: one file or name, or several.
        overrides: values by dotted name.

    Raises:
        ConfigError: one of them is no setting.
    """
    for name in overrides or {}:
        ok = name.partition(".")[0] not in _NO_SETTINGS and not name.endswith(".help")
        require(ok, "overrides", name, "a setting; the files, the run's folder and resume are arguments of their own")
    files = [config] if isinstance(config, str | PathLike) else config
    named = [word for file in files for word in ("--config", str(file))]
    values = {name: str(value) if isinstance(value, Path) else value for name, value in (overrides or {}).items()}
    return [*named, *flags(values)]
