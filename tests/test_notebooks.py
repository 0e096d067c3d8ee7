"""The notebooks in `examples/` run from the first cell to the last, and show what they promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from .conftest import EXAMPLES

NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
SECONDS = 1000  # a cell, on a busy machine


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")  # of Jupyter's own
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, 4)
    written = [shown(cell) for cell in notebook.cells if cell.cell_type == "code"]
    NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": tmp_path}}).execute()
    assert [shown(cell) for cell in notebook.cells if cell.cell_type == "code"] == written


def shown(cell: Any) -> list[tuple[str, list[str]]]:
    """What a cell shows, by kind: no warning, no log, and pictures where there were some."""
    return [(output.output_type, sorted(output.get("data", {}))) for output in cell.outputs]


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"quickstart", "compare_methods"}
    assert "/tmp" not in "".join(path.read_text() for path in NOTEBOOKS)
