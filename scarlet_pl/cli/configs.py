"""`scarlet-pl configs`: the configurations that come with the package."""

from __future__ import annotations

import shutil
from textwrap import shorten

from scarlet_pl.cli.plain import Arguments, in_one_line
from scarlet_pl.errors import require
from scarlet_pl.shipped import comment, config_names, find_config


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
    require(name is None or name in config_names(), "name", name, "one of the names that scarlet-pl configs lists")
    print(_list() if name is None else find_config(name).read_text(encoding="utf-8"), end="")
    return 0


def _list() -> str:
    width = max(map(len, config_names()))
    room = max(30, shutil.get_terminal_size().columns - width - 2)
    lines = [(name, shorten(comment(name), room, placeholder=" …")) for name in config_names()]
    return "".join(f"{name:{width}}  {text}\n" for name, text in lines)
