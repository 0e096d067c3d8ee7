"""The parser: jsonargparse's, with one line for an error instead of a page."""

from __future__ import annotations

import difflib
import re
import sys
from argparse import SUPPRESS, HelpFormatter
from collections.abc import Iterable
from itertools import groupby
from typing import Any, NoReturn

from lightning.pytorch.cli import LightningArgumentParser

from scarlet_pl.cli import parts
from scarlet_pl.cli.given import full_name
from scarlet_pl.cli.help import in_group, short_help
from scarlet_pl.cli.trust import restrict_parsing
from scarlet_pl.options import NOT_HERE, moved_to
from scarlet_pl.shipped import config_names

restrict_parsing()

_OURS = re.compile(r"[\w.]+: got .+, allowed: .+")
_KEY = re.compile(r'Parser key "([\w.]+)"')
_CLASSES = re.compile(r",\s+known\s+subclasses:\s+(lightning|torch\.optim)[^)]*\)")
_TYPES = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "a string",
    "NoneType": "null",
}


class Parser(LightningArgumentParser):
    """Says what is wrong in one line that names the field, what it got and what is allowed."""

    help_of = ""
    """The group of which the help shows all settings; the main ones of all groups without."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["usage"] = "scarlet-pl COMMAND [--config FILE] [--SETTING VALUE …]"
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def get_defaults(self, *args: Any, **kwargs: Any) -> Any:
        """Of the method and the executor the class alone: another class would take over settings of the same names."""
        defaults = super().get_defaults(*args, **kwargs)
        for key in defaults.keys(branches=True):
            if key in ("method", "executor") and defaults.get(key) is not None:
                defaults[key].pop("init_args", None)
        return defaults

    def format_help(self, formatter: HelpFormatter | None = None) -> str:
        """The main settings of a run, or all of `help_of`; without the lists of Lightning's classes and torch's, but
        for the trainer."""
        if "--config" not in self._option_string_actions or self._subcommands_action:
            return str(super().format_help(formatter))  # of a part
        if not self.help_of:
            return short_help(self)
        hidden = [action for action in self._actions if not in_group(action.dest, self.help_of)]
        texts = [action.help for action in hidden]
        for action in hidden:
            action.help = SUPPRESS
        try:
            whole = str(super().format_help(formatter))
            return whole if self.help_of == "trainer" else _CLASSES.sub(")", whole)
        finally:
            for action, text in zip(hidden, texts, strict=True):
                action.help = text

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise `BadInput` with that line."""
        fail(one_line(message, self._known_options(), sys.argv))

    def _known_options(self) -> set[str]:
        parsers = [self]
        for action in self._actions:
            choices = getattr(action, "_name_parser_map", None)
            parsers += list(choices.values()) if choices else []
        options = {option[2:] for p in parsers for option in p._option_string_actions if option.startswith("--")}
        return options | parts.options()


class BadInput(Exception):
    """What is wrong with what a command was given, in one line."""


def fail(line: str) -> NoReturn:
    """Raise `BadInput`."""
    raise BadInput(line)


def one_line(message: str, options: Iterable[str] = (), arguments: Iterable[str] = ()) -> str:
    """The gist of one of jsonargparse's error messages, which may run over a page.

    Args:
        message: what jsonargparse said.
        options: known dotted option names, for "did you mean".
        arguments: the command line; a flag on it has the full name of which jsonargparse may say only the end.
    """
    ours = _OURS.search(message)
    if ours:
        name, rest = ours.group(0).split(": got ", 1)
        short, got = name.removeprefix("codec."), rest.partition(", allowed: ")[0]
        name = full_name(short, arguments, got) or (name if short == name else _full(short, arguments))
        return f"{name}: got {rest}"
    arguments = list(arguments)
    keys = [key for key, _ in groupby(_KEY.findall(message)) if key != "config"]
    options = list(options)
    field = ".".join(keys).replace(".init_args", "").replace(".dict_kwargs", "")
    leaf = _leaf(message)
    rejected = re.search(r"Got value: (.+)", leaf)
    named = full_name(field, arguments, rejected[1]) if field and rejected else None
    field = named or _full(field, arguments, options)
    unknown = _unknown_option(message, field)
    if unknown:
        unknown = _full(unknown, arguments)
        if moved_to(unknown) is not None:
            return f"{unknown}: no such option any more; set {moved_to(unknown)}"
        if unknown.removeprefix("trainer.") in NOT_HERE:
            return f"{unknown}: no option of a run of rounds; set {NOT_HERE[unknown.removeprefix('trainer.')]}"
        return f"{unknown}: no such option{_near(unknown, options)}"
    denied = re.search(r"Importing '([\w.]+)' is not allowed", message)
    if denied:
        return f"{field or 'config'}: got {denied[1]!r}, allowed: code that a configuration may name"
    alone = re.search(r"NestedArg\(key='([\w.]+)'", leaf)
    if alone:
        base = parts.part_of(field)
        names = ", ".join(parts.names(base)) if base else "a class"
        return f"{field}.{alone[1]}: a setting of a part that is not named yet; before it set {field} ({names})"
    no_part = _no_part(message, leaf, field)
    if no_part:
        return no_part
    wrong = re.search(r"(?:Expected an?|Not a) (.+?)\. Got value: (.+)", leaf)
    if wrong:
        or_null = ", or null" if re.search(rf"{re.escape(wrong[1])}\s+- Expected a <class 'NoneType'>", message) else ""
        return f"{field}: got {wrong[2]!r}, allowed: {_words(wrong[1])}{or_null}"
    return f"{field}: {leaf}" if field else leaf.replace('Parser key "config"', "config")


def _no_part(message: str, leaf: str, field: str) -> str | None:
    """The line for a value that names no class, none that can be imported, or one of another kind."""
    base = parts.part_of(field)
    names = parts.names(base) if base else []
    missing = re.search(r"Expected a dot import path string: (.+)", leaf)
    if missing:
        hint = _near(missing[1], names)
        if field == "method" and missing[1].lower() in config_names():
            hint = f"; {missing[1].lower()} is a configuration: --config {missing[1].lower()}"
        return f"{field}: got {missing[1]!r}, allowed: {', '.join(names) or 'a class'}{hint}"
    failed = re.search(r"Problem with given class_path '([\w.]+)':\s+(.+)", message)
    made = re.search(
        r"expects a function or a callable class: (.+?)\. Got value: (?:Namespace\(class_path=')?([\w.]+)", message
    )
    if made:
        return f"{field}: got {made[2]!r}, allowed: a class that can be imported ({made[1]})"
    if failed and ": got " not in message:
        return f"{field}: got {failed[1]!r}, allowed: a class that can be imported ({failed[2]})"
    other = re.search(r"Import path (?:([\w.]+) )?does not correspond to a subclass of (\w+)", message)
    other = other or re.search(r"Expected '([\w.]+)' to be a subclass of <class '(\w+)'>", message)
    if other:
        given = re.search(r"Given value: (.+)", message)
        got = other[1] or (given[1] if given else "")
        return f"{field}: got {got!r}, allowed: {', '.join([*names, f'your own {other[2]}'])}"
    return None


def _full(field: str, arguments: Iterable[str], options: Iterable[str] = ()) -> str:
    """A setting's full name, of which jsonargparse may say only the end."""
    flags = [argument[2:].partition("=")[0] for argument in arguments if argument.startswith("--")]
    known = [] if field.partition(".")[0] in parts.GROUPS else sorted(options, key=lambda name: (len(name), name))
    return next((name for name in (*flags, *known) if field and name.endswith(f".{field}")), field)


def _unknown_option(message: str, field: str) -> str | None:
    for pattern in (
        r"unrecognized arguments: --([\w.]+)",
        r"Option '([\w.]+)' is not accepted",
        r"does not accept option '([\w.]+)'",
    ):
        found = re.search(pattern, message)
        if found:
            group = re.search(r"Group '([\w.]+)'", message)
            place = group[1] if group else field
            return f"{place}.{found[1]}" if place and not found[1].startswith(place) else found[1]
    return None


def _near(name: str, known: list[str]) -> str:
    whole = "." in name  # else only the end of an option's name is known
    # of several that end alike the last counts: a full name, and of these the shortest
    known = sorted(known, key=lambda each: (each.partition(".")[0] in parts.GROUPS, -each.count("."), each))
    by_case = {(candidate if whole else candidate.rpartition(".")[2]).lower(): candidate for candidate in known}
    near = [by_case[each] for each in difflib.get_close_matches(name.lower(), by_case, 1, 0.6)]
    # `rounds` is a word of trainer.max_rounds: it means that before the rounds of a part's part
    words = [] if whole else [each for each in by_case.values() if name in each.rpartition(".")[2].split("_")]
    best = sorted(words, key=lambda each: (each.count("."), len(each))) or near
    return f" (did you mean {best[0]!r}?)" if best and best[0] != name else ""


def _leaf(message: str) -> str:
    """The most deeply nested line that says something: the others repeat that a union did not fit."""
    lines = [line for line in message.splitlines() if line.strip()]
    telling = [
        line
        for line in lines
        if not re.search(
            r"NoneType'>$|Union subtypes|Subtypes:|Errors:|Given value|Expected a path|Parser key|class_path",
            line,
        )
    ]
    if not telling:
        return lines[0].strip() if lines else "bad input"
    deepest = max(telling, key=lambda line: len(line) - len(line.lstrip(" -")))
    found = deepest.strip(" -")
    if "did not find" in message or "parsing config" in message:
        return " ".join(line.strip() for line in lines)
    value = re.search(r"Given value: (.+)", message)
    if found.startswith("Expected a") and "Got value" not in found and "dot import" not in found and value:
        found += f". Got value: {value[1]}"
    return found


def _words(expected: str) -> str:
    name = re.fullmatch(r"<class '(?:\w+\.)*(\w+)'>", expected)
    if name:
        return _TYPES.get(name[1], name[1])
    return expected.replace("typing.", "").replace("Literal[", "one of [")
