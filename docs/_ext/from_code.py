"""Tables that are made from the code while the pages are built, so that none of them can be out of date.

```{settings} client                          the settings of a group, from the parser of the command
```{parts} scarlet_pl.methods.Aggregator      the classes of a kind, from their docstrings
"""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import ModuleType, NoneType, UnionType
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from jsonargparse import Namespace
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from scarlet_pl.cli.arguments import add_groups, add_run_arguments
from scarlet_pl.cli.parser import Parser
from scarlet_pl.loop import FederatedTrainer

_WORDS = {int: "integer", float: "number", str: "string", bool: "true or false", NoneType: "null", Any: "anything"}


class _Table(SphinxDirective):
    required_arguments = 1

    def rows(self, name: str) -> Iterator[tuple[str, str]]:
        """What stands left and right in each row, as Markdown."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        rows = list(self.rows(self.arguments[0]))
        if not rows:
            raise self.error(f"nothing to show of {self.arguments[0]!r}")
        self.env.note_reread()  # whatever has changed in the code
        lines = [f"| {left} | {right} |" for left, right in (("", ""), ("---", "---"), *rows)]
        found = nodes.Element()
        self.state.nested_parse(StringList(lines, self.env.docname), self.content_offset, found)
        return found.children


class Settings(_Table):
    """The settings of a group of the command's parser; `run`: those that belong to no group."""

    def rows(self, name: str) -> Iterator[tuple[str, str]]:
        parser = Parser()
        add_run_arguments(parser)
        if name == "run":
            return _settings(parser, "")
        add_groups(parser)
        ours = inspect.signature(FederatedTrainer).parameters if name == "trainer" else None
        return _settings(parser, f"{name}.", ours)


class Parts(_Table):
    """The classes of a kind, each with its settings."""

    def rows(self, name: str) -> Iterator[tuple[str, str]]:
        package, _, base = name.rpartition(".")
        for kind in _public(import_module(package), base):
            yield f"**`{kind.__name__}`**", _summary(inspect.getdoc(kind) or "")
            parser = Parser()
            parser.add_class_arguments(kind, "part", fail_untyped=False, sub_configs=True)
            yield from _settings(parser, "part.")


def _public(package: ModuleType, name: str) -> list[type]:
    """The classes of a kind that a package exports and that can be made, in alphabetical order."""
    exported = [getattr(package, each) for each in sorted(package.__all__, key=str.lower)]
    kinds = [each for each in exported if inspect.isclass(each) and issubclass(each, getattr(package, name))]
    return [kind for kind in kinds if not inspect.isabstract(kind)]


def _settings(parser: Parser, prefix: str, names: typing.Container[str] | None = None) -> Iterator[tuple[str, str]]:
    """(name, help with type and default) of the settings whose names begin so; of those named alone, if some are."""
    for action in parser._actions:
        flag = action.nargs == 0 and action.dest != "help"
        hint = bool if flag else getattr(action, "_typehint", None)
        name = action.dest.removeprefix(prefix)
        is_one = hint is not None and action.dest.startswith(prefix) and not name.endswith(".help")
        if is_one and (names is None or name in names):
            facts = f"{_type(hint)}; default `{_plain(action.default)}`"
            yield f"`{name}`", f"{_summary(action.help or '')}<br>*{facts}*"


def _type(hint: Any) -> str:
    """A type in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        return " or ".join(dict.fromkeys(_type(each) for each in arguments))
    if origin is typing.Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if origin is Callable:
        return _type(arguments[-1])
    if isinstance(origin, type):
        return "mapping" if issubclass(origin, Mapping) else f"list of {_type(arguments[0])}"
    return _WORDS.get(hint) or f"`{hint.__name__}`"


def _plain(value: Any) -> str:
    """A value as a configuration has it; a part as its class and what it is made with."""
    value = value.as_dict() if isinstance(value, Namespace) else value
    if isinstance(value, Mapping):
        made = value.get("init_args") or {} if "class_path" in value else value
        given = ", ".join(f"{name}={_plain(each)}" for name, each in made.items())
        name = value.get("class_path", "").rpartition(".")[2]
        return f"{name}({given})" if name and given else name or given or "{}"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _summary(docstring: str) -> str:
    """A docstring without its sections, in one line of Markdown."""
    text = " ".join(re.split(r"\n\s*(?:Args|Raises|Returns|Attributes):", docstring)[0].split())
    return text.replace("|", "\\|").replace("*", "\\*")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("settings", Settings)
    app.add_directive("parts", Parts)
    return {"parallel_read_safe": True}
