"""Nodes with samples of their own: each process has its own files, and no other's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from scarlet_pl.run_files import read_rounds
from tests.flower.site import site

pytestmark = [pytest.mark.slow, pytest.mark.full]

ALL = "--data.own", "true", "--data.num_classes", "10", "--data.public_size", "null"


def write_digits(folder: Path) -> None:
    """Four files that have no sample in common: 400 for one node, 800 for the other, 397 for the server, 200 public."""
    bunch = load_digits()
    images, labels = (bunch.images * (255 / 16)).round().astype(np.uint8), bunch.target
    order = np.random.default_rng(0).permutation(len(labels))
    for name, rows in zip(("a", "b", "test", "public"), np.split(order, [400, 1200, 1597]), strict=True):
        (folder / name).mkdir(exist_ok=True)
        np.savez(folder / name / f"{name}.npz", x=images[rows], y=labels[rows])


@pytest.mark.parametrize("killed", [False, True])
def test_each_process_has_its_own_files_alone(tmp_path: Path, killed: bool) -> None:
    """The paths are relative to a folder of each process's own, which holds nobody else's files."""
    write_digits(tmp_path)
    public = "--data.public", f"npz:{tmp_path / 'public/public.npz'}"

    def own(name: str) -> tuple[str, ...]:
        return *ALL, *public, "--data.root", str(tmp_path / name), "--data.private", f"npz:{name}.npz"

    with site(tmp_path) as here:
        server = here.serve(*own("test"))
        a = here.join("node_a", "0", *own("a"))
        here.join("node_b", "1-3", *own("b"))
        if killed:
            here.wait_for_rounds(2)
            a.kill()
            a.wait()
            here.join("node_a", "0", *own("a"))
        here.ends(server, 0)
        last = read_rounds(here.run_dir / "rounds.csv")[-1]
        summary = json.loads((here.run_dir / "summary.json").read_text())
    assert float(last["server/accuracy"]) > 0.15
    assert float(last["client/accuracy"]) > 0.5
    assert summary["rounds"] == 4
