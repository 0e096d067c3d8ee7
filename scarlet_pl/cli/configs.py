"""`scarlet-pl configs`: the configurations that come with the package."""

from __future__ import annotations

import shutil
import sys
from textwrap import shorten

from scarlet_pl.cli.plain import Arguments, in_one_line
from scarlet_pl.errors import ConfigError
from scarlet_pl.shipped import comment, config_names, find_config, near_name


@in_one_line
def run(argv: list[str]) -> int:
    """`scarlet-pl configs [NAME]`; the exit code."""
    parser = Arguments(
        prog="scarlet-pl configs",
        description="The configurations that come with the package: all of them with a line each, or one in full. "
        "--config takes their names, and a copy can be changed: scarlet-pl configs scarlet > mine.yaml",
        allow_abbrev=False,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="which to print in full")
    name = parser.parse_args(argv[2:]).name
    if name not in (None, *config_names()):
        raise ConfigError("name", name, f"one of the names that scarlet-pl configs lists{near_name(name)}")
    print(_list() if name is None else find_config(name).read_text(encoding="utf-8"), end="")
    return 0


def _list() -> str:
    width = max(map(len, config_names()))
    room = max(30, shutil.get_terminal_size().columns - width - 2)
    lines = [(name, comment(name)) for name in config_names()]
    if sys.stdout.isatty():
        lines = [(name, shorten(text, room, placeholder=" …")) for name, text in lines]
    return "".join(f"{name:{width}}  {text}\n" for name, text in lines)
