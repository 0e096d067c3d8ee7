"""What the README and the documentation name is there. Links between pages of docs/ are checked when they are built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from scarlet_pl import __version__

from .readme import README

ROOT = README.parent
PAGES = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")))
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
_PATH = re.compile(r"`((?:configs|docs|examples|scarlet_pl|tests|\.ci)/[^` ]*)`")
_NAME = re.compile(r"`([a-z_0-9/]*[a-z_0-9*])`")
MADE = "docs/_build"
"""What the documentation is built into."""


def is_there(path: str, below: Path = ROOT) -> bool:
    return any(below.glob(path)) if "*" in path else (below / path).exists()


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    links = _LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not is_there(link, page.parent)] == []


@each_page
def test_files_that_are_named_are_there(page: Path) -> None:
    named = [path for path in _PATH.findall(page.read_text(encoding="utf-8")) if "NAME" not in path]
    assert [path for path in named if not (path.startswith(MADE) or is_there(path))] == []


@pytest.mark.parametrize("page", ["README.md", "docs/methods.md"])
def test_configurations_in_tables_of_methods_are_there(page: str) -> None:
    rows = [line for line in (ROOT / page).read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    column = 1 if page == "README.md" else -2
    cells = [row.split("|")[column] for row in rows[: 20 if page == "docs/methods.md" else None]]
    names = [name for cell in cells for name in _NAME.findall(cell)]
    assert len(names) >= 20
    assert [name for name in names if not is_there(f"{name}.yaml", ROOT / "configs")] == []


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 120


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    newest = re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__
