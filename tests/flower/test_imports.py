"""Nothing of this room imports torch: Flower starts a process for each message."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import scarlet_pl.flower

ROOMS = sorted(f"scarlet_pl.flower.{module.name}" for module in pkgutil.iter_modules(scarlet_pl.flower.__path__))


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
def test_it_is_light(room: str) -> None:
    heavy = "{'torch', 'lightning', 'torchvision', 'numpy.random', 'sklearn', 'jsonargparse'}"
    code = f"import sys, {room}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stdout
