"""How many cores a container lets a process use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scarlet_pl.executors.cores import cores


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 16 cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))


def write(groups: Path, name: str, text: str) -> None:
    path = groups / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("files", "process", "expected"),
    [
        ({}, "0::/", 16),
        ({"cpu.max": "max 100000"}, "0::/", 16),
        ({"cpu.max": "400000 100000"}, "0::/", 4),
        ({"cpu.max": "50000 100000"}, "0::/", 1),
        ({"cpu.max": "250000 100000"}, "0::/", 2),
        ({"cpu.max": "6400000 100000"}, "0::/", 16),
        ({"pods/cpu.max": "800000 100000", "pods/one/cpu.max": "300000 100000"}, "0::/pods/one", 3),
        ({"pods/cpu.max": "200000 100000", "pods/one/cpu.max": "max 100000"}, "0::/pods/one", 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "1:cpu:/", 16),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, "1:cpu:/", 3),
        ({"cpu/a/cpu.cfs_quota_us": "500000", "cpu/a/cpu.cfs_period_us": "100000"}, "3:cpuset:/a\n1:cpu:/a", 5),
        ({"cpu.max": "nonsense"}, "0::/", 16),
    ],
)
def test_a_containers_quota_counts(files: dict[str, str], process: str, expected: int, tmp_path: Path) -> None:
    for name, text in files.items():
        write(tmp_path / "groups", name, text)
    write(tmp_path, "cgroup", process)
    assert cores(tmp_path / "groups", tmp_path / "cgroup") == expected


def test_without_control_groups_the_cores_are_those_it_may_run_on(tmp_path: Path) -> None:
    assert cores(tmp_path / "none", tmp_path / "none") == len(os.sched_getaffinity(0))
