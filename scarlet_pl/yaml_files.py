"""YAML that may come from a stranger: plain values, and not too many of them. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_MOST, _DEEPEST = 100_000, 100
"""Values with all aliases written out, and how deep they may be nested."""


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        ValueError: it is no YAML, or not plain and bounded as `check_yaml` says; in one line.
        OSError: it cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        check_yaml(text)
        return yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start})") from error
    except (yaml.YAMLError, AttributeError, LookupError, TypeError) as error:  # PyYAML's, for `!!timestamp noon`
        raise ValueError(" ".join(str(error).split())) from error


def check_yaml(text: str) -> None:
    """Raise `yaml.YAMLError` if a text is no YAML, has a key twice, is nested too deeply, or has too many values when
    its aliases are written out."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)  # the one in Python: deep nesting is an error, not a crash
        if root is not None:
            _size(root, {}, 0)
    except RecursionError as error:
        raise yaml.YAMLError("nested too deeply") from error


def _size(node: yaml.Node, known: dict[int, int], depth: int) -> int:
    """Values in a node, those behind an alias as often as it is used."""
    line = f"line {node.start_mark.line + 1}"
    if id(node) in known:
        if not known[id(node)]:
            raise yaml.YAMLError(f"{line}: a value within itself")
        return known[id(node)]
    if depth > _DEEPEST:
        raise yaml.YAMLError(f"{line}: nested too deeply")
    known[id(node)] = 0  # under way
    size = 1
    for each in _inner(node):
        size += _size(each, known, depth + 1)
        if size > _MOST:
            raise yaml.YAMLError(f"{line}: more than {_MOST} values")
    known[id(node)] = size
    return size


def _inner(node: yaml.Node) -> list[yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return list(node.value) if isinstance(node, yaml.SequenceNode) else []
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value in seen:
            raise yaml.YAMLError(f"line {key.start_mark.line + 1}: {key.value!r} is there twice")
        seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
    return [each for pair in node.value for each in pair]
