"""What a configuration may name, since it is imported and called: nothing runs because a stranger's file names it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonargparse import get_loader, set_loader, set_parsing_settings

from scarlet_pl.errors import ConfigError
from scarlet_pl.run_files import CONFIG, is_file
from scarlet_pl.yaml_files import check_yaml, read_yaml

_LIGHTNING = {
    "callbacks": "DeviceStatsMonitor EarlyStopping LearningRateMonitor ModelCheckpoint ModelSummary RichModelSummary "
    "RichProgressBar TQDMProgressBar",
    "loggers": "CSVLogger TensorBoardLogger",
    "profilers": "AdvancedProfiler PyTorchProfiler SimpleProfiler",
    "strategies": "DDPStrategy SingleDeviceStrategy",
}
_HARMLESS = re.compile(
    r"scarlet_pl\.(availability|cache|callbacks|client\.outliers|data|executors|learning|methods|wire)\.\w+|"
    r"torch\.optim\.(lr_scheduler\.)?\w+|torchmetrics\.classification\.\w+|"
    + "|".join(rf"lightning\.pytorch\.{room}\.({names.replace(' ', '|')})" for room, names in _LIGHTNING.items()),
    re.ASCII,
)
"""Classes that a run folder may name wherever it comes from. A list: `torch` and `lightning` as a whole hold functions
that run any text or command which they are given."""

_WORD = re.compile(r"[\w+:/-]*", re.ASCII)
"""Neither an import path, nor YAML, nor the address of a file elsewhere."""

_PLAIN = ("name", "run_dir", "ckpt_path", "data.root")
"""Settings that are texts, whatever they hold."""

_SOURCES, _SOURCE = ("data.private", "data.public"), re.compile(r"[a-z]+:\S[^\n]*", re.ASCII)
"""Settings that hold a class, or the kind of a source and its place: neither an import path nor YAML."""


def restrict_parsing() -> None:
    """Have jsonargparse refuse what no configuration needs: objects in fields of any type, settings from the network,
    YAML that grows when its aliases are written out, and import paths below which functions run what they are given.
    """
    set_parsing_settings(
        instantiate_subclass_spec_in_any=False,
        config_read_mode_urls_enabled=False,
        config_read_mode_fsspec_enabled=False,
        import_path_denylist=["builtins", "torch", "lightning.pytorch.callbacks.LambdaCallback"],
        import_path_allowlist=["torch.nn", "torch.optim"],
    )
    load = get_loader("yaml")

    def bounded(text: str) -> Any:
        check_yaml(text)
        return load(text)

    set_loader("yaml", bounded)


def check_trusted(run_dir: Path, settings: Any) -> None:
    """Raise `ConfigError` if the configuration of a run's folder names more than harmless classes, or if the folder has
    links to what is outside of it."""
    check_links(run_dir)
    named = ", ".join(f"{field} {text!r}" for field, text in foreign_code(settings, run_dir))
    if named:
        allowed = (
            f"a {CONFIG} that names classes of scarlet_pl, torch.optim, torchmetrics and Lightning alone; "
            f"--trust_code runs what it names ({named})"
        )
        raise ConfigError("run_dir", str(run_dir), allowed)


def check_links(run_dir: Path) -> None:
    """Raise `ConfigError` if a run's folder has links to what is outside of it."""
    for folder, folders, files in os.walk(run_dir):
        for name in (*folders, *files):
            if Path(folder, name).is_symlink():
                raise ConfigError(
                    "run_dir", str(run_dir), f"a folder without symbolic links (not {Path(folder, name)})"
                )


def needs_trust(run_dir: Path) -> bool:
    """Whether a run is resumed with `--trust_code` only."""
    try:
        return any(foreign_code(read_yaml(run_dir / CONFIG), run_dir))
    except (OSError, ValueError):
        return False


def foreign_code(settings: Any, run_dir: Path) -> Iterator[tuple[str, str]]:
    """(field, text) of everything in a configuration that could be code of somebody's own, or a file that would be read
    as a part of the configuration."""
    for field, text in texts(settings):
        harmless = _HARMLESS.fullmatch(text) or (_WORD.fullmatch(text) and "//" not in text)
        harmless = harmless or (field in _SOURCES and _SOURCE.fullmatch(text))
        read = any(is_file(file) for file in (Path(text), run_dir / text)) if text else False
        if field not in _PLAIN and (read or not harmless):
            yield short_name(field), text


def texts(settings: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """(field, text) of all texts in a configuration, each field by its whole name."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield from texts(value, f"{field}.{key}" if field else str(key))
    elif isinstance(settings, list):
        for value in settings:
            yield from texts(value, f"{field}[]")
    elif isinstance(settings, str):
        yield field, settings


def short_name(field: str) -> str:
    """A field's name as it is set on the command line."""
    return field.replace(".init_args", "").replace(".class_path", "").replace("[]", "")
