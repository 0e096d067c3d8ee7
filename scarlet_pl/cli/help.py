"""The help of the commands that take a run's settings: the main ones on two screens, and all of a group on request."""

from __future__ import annotations

import inspect
import re
import shutil
from argparse import SUPPRESS, Action
from textwrap import fill
from typing import TYPE_CHECKING, Any

from scarlet_pl.cli import parts

if TYPE_CHECKING:
    from scarlet_pl.cli.parser import Parser

_MAIN = {
    "trainer": ("max_rounds", "eval_clients_every_n_rounds", "max_time"),
    "data": ("private", "public", "public_size", "num_clients", "partition"),
    "client": ("models", "learner", "optimizer", "epochs", "distillation_epochs", "batch_size"),
    "server": ("model", "optimizer", "epochs"),
    "federation": ("availability", "on_error", "store"),
    "method": ("",),
    "executor": ("",),
}
"""What is shown of each group; "" for the group itself, where it is a part."""

_WIDEST, _NAME = 100, 32
_HOW = (
    "Every setting can stand in a YAML file, given by --config, or on the command line. --print_config shows what a "
    "command line comes to."
)


def short_help(parser: Parser) -> str:
    """The settings of the command itself, the main ones of each group, and how to see the others."""
    known = {flag[2:]: action for action in parser._actions for flag in action.option_strings if _shown(action, flag)}
    lines = [f"usage: {parser.usage}", "", _wrapped("", _HOW), "", "the run:"]
    lines += [_line(name, action) for name, action in known.items() if name.partition(".")[0] not in _MAIN]
    for group, main in _MAIN.items():
        of_group = [f"{group}.{name}".rstrip(".") for name in main]
        lines += ["", _heading(parser, group), *(_line(name, known[name]) for name in of_group)]
    return "\n".join(lines) + "\n"


def asked(arguments: list[str]) -> tuple[list[str], str]:
    """The arguments as the parser knows them, and the group of which they ask for all settings, or "".

    `--data.help` asks for those of a group. `--method.help` without a class names the classes that there are, and ends.
    """
    for argument, following in zip(arguments, [*arguments[1:], "-"], strict=True):
        field = argument.removeprefix("--").removesuffix(".help")
        if argument != f"--{field}.help":
            continue
        if field in _MAIN and _MAIN[field] != ("",):
            return ["--help" if each == argument else each for each in arguments], field
        base = parts.part_of(field)
        if base is not None and following.startswith("-"):
            ours = base.__module__.startswith("scarlet_pl") and not inspect.isabstract(base)
            names = ", ".join([*([base.__name__] if ours else []), *parts.names(base), "or one of your own"])
            print(f"{argument} NAME shows the settings of a class: {names}")
            raise SystemExit(0)
    return arguments, ""


def in_group(option: str, group: str) -> bool:
    """Whether a setting, by dotted name, is of a group."""
    return option.startswith(f"{group}.") and not option.endswith(".help")


def _shown(action: Action, flag: str) -> bool:
    return flag.startswith("--") and action.help != SUPPRESS and not flag.endswith((".help", "+"))


def _heading(parser: Parser, group: str) -> str:
    titles = [each.title or "" for each in parser._action_groups if each.title and _holds(each, group)]
    title = titles[0].partition(";")[0]
    title = title[:1].lower() + title[1:] if not title.startswith("Lightning") else title
    see = f"--{group}.help NAME shows a class's settings" if _MAIN[group] == ("",) else f"all: --{group}.help"
    return _wrapped("", f"{group}: {title} ({see})")


def _holds(titled: Any, group: str) -> bool:
    return any(action.dest == group or in_group(action.dest, group) for action in titled._group_actions)


def _line(name: str, action: Action) -> str:
    """The first clause of what a setting is, and its default; of a part the classes that there are, too."""
    clause = re.split(r"[;:.](?:\s|$)", " ".join((action.help or "").split()), maxsplit=1)[0]
    base, default = parts.part_of(name), _default(action.default)
    text, said = "the class" if name in _MAIN else clause, [f"default: {default}"] if default else []
    if base is not None and base.__module__.startswith("scarlet_pl") and hasattr(action.default, "get"):
        said.append(f"others: {', '.join(each for each in parts.names(base) if each != default)}")
    return _wrapped(f"  --{name}  ".ljust(_NAME), f"{text} ({'; '.join(said)})" if said else text)


def _default(value: Any) -> str:
    """In a word; "" where it goes without saying."""
    if value in (None, False, SUPPRESS):
        return ""
    named = value.get("class_path") if hasattr(value, "get") else None
    return str(named).rpartition(".")[2] if named else str(value)


def _wrapped(start: str, text: str) -> str:
    width = min(shutil.get_terminal_size().columns, _WIDEST) - 1
    return fill(text, width, initial_indent=start, subsequent_indent=" " * (_NAME if start else 0))
