"""What server and nodes must agree on before the first round."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from scarlet_pl import __version__
from scarlet_pl.data import FederatedData
from scarlet_pl.digest import digest
from scarlet_pl.executors.backend import Numerics

_ROOMS, _OF_TRAINER = ("seed_everything", "data", "client", "method"), ("deterministic", "benchmark")
_ANYWHERE, _EACH_ONES = ("data.root", "data.public"), ("data.private", "data.private_size", "data.partition")
"""Settings that may differ, since the public set's hash is compared, and those that may where each machine has samples
of its own."""


def agreement(settings: Mapping[str, Any], data: FederatedData) -> dict[str, str]:
    """What decides the bits of a run, by name.

    Args:
        settings: the whole configuration, as plain values.
        data: with the public set, which must be the same everywhere.
    """
    trainer = {name: settings["trainer"].get(name) for name in _OF_TRAINER}
    rooms = {**{room: settings.get(room) for room in _ROOMS}, "trainer": trainer}
    free = _ANYWHERE + (_EACH_ONES if settings["data"]["own"] else ())
    found = {name: repr(value) for name, value in _flat(rooms) if not name.startswith(free)}
    return {
        **found,
        "the public set": digest(list(data.public.tensors())),
        "networks are made for": repr(dict(data.network_facts)),
        "scarlet_pl": __version__,
        "torch": torch.__version__,
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "numerics": repr(Numerics.here()),
    }


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """The fields that differ, in one line; "" where all agree."""
    names = [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]
    said = [f"{name} {theirs.get(name, 'nothing')[:60]} there, {ours.get(name, 'nothing')[:60]} here" for name in names]
    return "; ".join(said[:5]) + (f"; and {len(said) - 5} more" if len(said) > 5 else "")


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _flat(each, f"{name}.{key}" if name else str(key))
    else:
        yield name.replace(".init_args", ""), value
