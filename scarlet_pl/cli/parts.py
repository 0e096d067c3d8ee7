"""Which settings hold a part: an object whose class a configuration names.

Read off the constructors' type hints, so that a new part is known wherever it stands.
"""

from __future__ import annotations

import collections.abc
import inspect
import sys
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from torch import Tensor, nn

from scarlet_pl.client import ClientConfig
from scarlet_pl.data import FederatedDataModule
from scarlet_pl.executors import Executor
from scarlet_pl.federation import FederationConfig
from scarlet_pl.methods import Method
from scarlet_pl.server import ServerConfig

GROUPS: dict[str, type] = {
    "data": FederatedDataModule,
    "client": ClientConfig,
    "server": ServerConfig,
    "federation": FederationConfig,
    "method": Method,
    "executor": Executor,
}
"""The groups of settings, beside the trainer's."""

_LIBRARIES = ("lightning", "torch", "torchmetrics", "torchvision")
_NAMED = ("scarlet_pl", *_LIBRARIES)


def part_of(field: str) -> type | None:
    """The class of which the part in a field must be; None where a field holds no part."""
    group, *names = (name for name in field.split(".") if name not in ("init_args", "class_path"))
    found = [GROUPS[group]] if group in GROUPS else []
    for name in names:
        found = [each for above in found for kind in _made(above) for each in _classes(_hints(kind).get(name))]
    return next((each for each in found if _is_part(each)), None)


def options(groups: Iterable[str] = GROUPS) -> set[str]:
    """The dotted names of all settings of parts and groups. Of parts within parts of their own kind the
    innermost have no settings here."""
    return {option for group in groups for option in _options(group, GROUPS[group], ())}


def names(base: type) -> list[str]:
    """The short names of parts: of the package's and the libraries' own. A user's class goes by its path."""
    return [kind.__name__ for kind in _subclasses(base) if kind.__module__.partition(".")[0] in _NAMED]


def _subclasses(base: type) -> list[type]:
    """All concrete subclasses that are imported."""
    children: list[type] = base.__subclasses__()
    found = [kind for child in children for kind in (child, *_subclasses(child))]
    return [kind for kind in dict.fromkeys(found) if not inspect.isabstract(kind) and kind.__name__[0] != "_"]


def _options(field: str, base: type, above: tuple[type, ...]) -> Iterator[str]:
    for kind in _made(base) if above.count(base) < 2 else ():
        hints = _hints(kind)
        for name in _parameters(kind):
            yield f"{field}.{name}"
            for each in _classes(hints.get(name)):
                yield from _options(f"{field}.{name}", each, (*above, base))


def _parameters(kind: type) -> list[str]:
    try:
        names = inspect.signature(kind).parameters
    except ValueError:  # of a class that is no Python
        return []
    return [name for name in names if name not in ("args", "kwargs", "params")]


def _made(kind: type) -> list[type]:
    """What may stand where a class is wanted: a part of that class, or a group of settings."""
    if _is_part(kind):
        return _subclasses(kind) if inspect.isabstract(kind) else [kind, *_subclasses(kind)]
    return [kind] if is_dataclass(kind) or kind in GROUPS.values() else []


def _is_part(kind: type) -> bool:
    """Whether a configuration names the class; of a plain data class it gives the values alone."""
    plain = issubclass(kind, Tensor) or kind.__module__.partition(".")[0] in sys.stdlib_module_names
    return inspect.isabstract(kind) or not (plain or is_dataclass(kind) or kind in GROUPS.values())


def _hints(kind: type) -> dict[str, Any]:
    """The type hints of a constructor's arguments; none of a library's class, whose arguments are no parts of ours."""
    if kind.__module__.partition(".")[0] in _LIBRARIES:
        return {}
    try:
        return get_type_hints(kind if is_dataclass(kind) else kind.__init__)  # type: ignore[misc]
    except Exception:  # a user's class may name what is not there
        return {}


def _classes(hint: Any) -> list[type]:
    """The classes in a type hint; of a function that of what it returns. Networks are named, and no parts."""
    arguments = get_args(hint)
    if get_origin(hint) is collections.abc.Callable:
        arguments = arguments[-1:]
    inner = [each for argument in arguments for each in _classes(argument)]
    return inner or ([hint] if isinstance(hint, type) and hint is not nn.Module else [])
