"""What a configuration may name, since it is imported and called: nothing runs because a stranger's file names it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader, set_parsing_settings

from scarlet_pl.errors import ConfigError
from scarlet_pl.run_files import CONFIG, is_file
from scarlet_pl.yaml_files import check_yaml

TRUSTED = ("scarlet_pl", "torch", "torchvision", "lightning")
"""Packages whose code a run folder may name wherever it comes from."""

_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_PLAIN = ("name", "run_dir", "ckpt_path", "data.root", "data.private", "data.public")
"""Settings that never name code."""


def restrict_parsing() -> None:
    """Have jsonargparse refuse what no configuration needs: import paths of the standard library that run commands or
    read pickles, objects in fields of any type, and YAML that grows when its aliases are written out."""
    set_parsing_settings(instantiate_subclass_spec_in_any=False, import_path_denylist=["builtins", "torch.hub"])
    load = get_loader("yaml")

    def bounded(text: str) -> Any:
        check_yaml(text)
        return load(text)

    set_loader("yaml", bounded)


def check_trusted(run_dir: Path, settings: Any) -> None:
    """Raise `ConfigError` if the configuration of a run's folder names code outside the trusted packages."""
    named = ", ".join(f"{field} {code}" for field, code in foreign_code(settings, run_dir))
    if named:
        allowed = f"a {CONFIG} that names code of {', '.join(TRUSTED)} alone; --trust_code runs what it names ({named})"
        raise ConfigError("run_dir", str(run_dir), allowed)


def foreign_code(settings: Any, run_dir: Path) -> Iterator[tuple[str, str]]:
    """(field, what it names) of everything in a configuration that could be code outside the trusted packages, or a
    file that would be read as a part of the configuration."""
    for field, text in texts(settings):
        if field in _PLAIN:
            continue
        yield from ((field, path) for path in _IMPORT_PATH.findall(text) if path.partition(".")[0] not in TRUSTED)
        yield from ((field, str(file)) for file in (Path(text), run_dir / text) if text and is_file(file))


def texts(settings: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """(field, text) of all texts in a configuration, also inside of a text that is YAML itself."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield from texts(value, f"{field}.{key}" if field else str(key))
    elif isinstance(settings, list):
        for value in settings:
            yield from texts(value, field)
    elif isinstance(settings, str):
        yield field.replace(".init_args", "").replace(".class_path", ""), settings
        inner = _as_yaml(settings)
        if inner != settings:
            yield from texts(inner, field)


def _as_yaml(text: str) -> Any:
    """What jsonargparse may make of a text."""
    try:
        check_yaml(text)
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
