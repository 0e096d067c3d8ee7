"""Runs that are over, for tests that go on with them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from .runs import fit

Finished = Callable[..., None]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Copies the folder of a run after so many rounds, with these flags; each is run once."""

    @cache
    def run(rounds: int, *flags: str) -> Path:
        folder = tmp_path_factory.mktemp("finished") / "run"
        assert fit("scarlet.yaml", folder, "--trainer.max_rounds", str(rounds), *flags) == 0
        return folder

    def copy(to: Path, rounds: int, *flags: str) -> None:
        shutil.copytree(run(rounds, *flags), to)

    return copy
