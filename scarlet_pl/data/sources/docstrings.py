"""A text set that is on every machine: paragraphs of the documentation of packages that scarlet_pl needs."""

from __future__ import annotations

import ast
import re
import warnings
import zlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from scarlet_pl.errors import require

PACKAGES = ("matplotlib", "numpy", "scipy", "sklearn", "torch", "torchmetrics")
"""A class each."""

_EACH = 500
_WORDS = 12


@cache
def paragraphs(field: str) -> tuple[list[str], list[int]]:
    """500 paragraphs from the docstrings of each of `PACKAGES`, and the number of the package that each is of.

    Read from the packages' files, of which nothing runs. What comes out depends on their versions alone.

    Args:
        field: the configuration's name for the set.

    Raises:
        ConfigError: a package is not there.
    """
    found = [_of_package(name, field) for name in PACKAGES]
    return [text for texts in found for text in texts], [k for k, texts in enumerate(found) for _ in texts]


def _of_package(name: str, field: str) -> list[str]:
    spec = find_spec(name)
    folders = spec.submodule_search_locations if spec else None
    require(bool(folders), field, "docstrings", f"docstrings where {name} is installed")
    root = Path((folders or [""])[0])
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.py"))
    texts: dict[str, None] = {}
    # until there is enough, in an order that has nothing to do with the files' folders
    for file in sorted(files, key=lambda file: zlib.crc32(file.encode())):
        texts |= dict.fromkeys(_of_file(root / file))
        if len(texts) >= _EACH:
            break
    return list(texts)[:_EACH]


def _of_file(file: Path) -> Iterator[str]:
    """The paragraphs that are prose."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strings in others' code
            tree = ast.parse(file.read_bytes())
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
            for paragraph in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
                enough = len(re.findall(r"(?<!\S)[A-Za-z]+[.,;:]?(?!\S)", paragraph)) >= _WORDS
                if enough and ">>>" not in paragraph and "---" not in paragraph:
                    yield " ".join(paragraph.split())
