"""The configurations that come with the package, by name. Imports no torch."""

from __future__ import annotations

import difflib
import re
from itertools import takewhile
from pathlib import Path

from scarlet_pl.errors import ConfigError

_FOLDER = Path(__file__).parent / "configs"
_NAME = re.compile(r"[\w./+-]+", re.ASCII)


def config_names() -> list[str]:
    """Their names: the files below `configs/` without their ending, as in "mixtures/scarlet_1bit"."""
    files = sorted(_FOLDER.rglob("*.yaml"), key=lambda path: (len(path.parts), path))
    return [path.relative_to(_FOLDER).with_suffix("").as_posix() for path in files]


def find_config(given: str) -> Path:
    """The file that `--config` names: a path, or the name of a configuration that comes with the package.

    Raises:
        ConfigError: it is neither.
    """
    try:
        there = Path(given).exists() and not Path(given).is_dir()  # a pipe is no file, but can be read
        if there or not _NAME.fullmatch(given):
            return Path(given)
    except OSError:  # none can have that name
        pass
    if given in config_names():
        return _FOLDER / f"{given}.yaml"
    raise ConfigError("config", given, f"a file, or one of the names that scarlet-pl configs lists{near_name(given)}")


def near_name(given: str) -> str:
    """ " (did you mean …?)", or "" where no name is near."""
    near = difflib.get_close_matches(given.removesuffix(".yaml").removeprefix("configs/"), config_names(), 1, 0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def comment(name: str) -> str:
    """What a configuration that comes with the package says of itself, in one line."""
    lines = (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    return " ".join(line.lstrip("# ") for line in takewhile(lambda line: line.startswith("# "), lines))
