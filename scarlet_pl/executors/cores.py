"""How many clients may compute at once: more than there are cores would compete for them, and spin."""

from __future__ import annotations

import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_most: int | None = None


def use_at_most(share: int) -> None:
    """This process has so many cores, whatever the machine has: the others are for processes beside it."""
    global _most
    _most = share


def cores(groups: Path = _GROUPS, process: Path = Path("/proc/self/cgroup")) -> int:
    """Processor cores that this process may use: those it may run on, no more than its container's CPU quota, and no
    more than `use_at_most` says.

    Args:
        groups: where the kernel shows control groups, of version 1 or 2.
        process: which of them this process is in.
    """
    allowed = len(os.sched_getaffinity(0))
    quotas = [quota for quota in (_quota(folder) for folder in _folders(groups, process)) if quota is not None]
    return max(1, min([allowed, *map(int, quotas), allowed if _most is None else _most]))


def _folders(groups: Path, process: Path) -> list[Path]:
    """The control groups of this process for CPU time, and those that they are in. A container sees its own as the
    root, whatever name it has outside."""
    try:
        lines = process.read_text().splitlines()
    except OSError:
        lines = []
    found = [groups, groups / "cpu", groups / "cpu,cpuacct"]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "cpu" in controllers.split(","):
            base = groups / controllers
            parts = Path(path.lstrip("/")).parts
            found += [base.joinpath(*parts[: depth + 1]) for depth in range(len(parts))]
    return found


def _quota(folder: Path) -> float | None:
    """Cores that a control group may keep busy; None for no limit."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        except OSError:
            return None
    return None if quota in ("max", "-1") or int(period) <= 0 else int(quota) / int(period)
