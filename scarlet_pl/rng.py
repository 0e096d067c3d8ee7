"""The only source of randomness: every seed is a function of (seed, purpose, round, client).

So no generator state is ever saved: a round replayed after a crash draws what it drew the first time, and
what one client draws does not depend on which others ran before it, or where.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch

Purpose = Literal[
    "init",
    "probe",
    "absent",
    "cohort",
    "latency",
    "speed",
    "download",
    "upload",
    "draw",
    "cache",
    "train",
    "distill",
    "dropout",
    "augment",
    "server",
    "quantize",
    "select",
    "teachers",
    "filter",
    "without_cache",
    "private",
    "public",
    "test",
    "validation",
    "partition",
    "angle",
    "noise_level",
    "noise",
]

_GLOBAL = threading.RLock()


def derive(seed: int, purpose: Purpose, round: int = 0, client: int = 0) -> int:
    """A 63-bit seed, as good as independent for any two different arguments."""
    key = f"{seed}/{purpose}/{round}/{client}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") >> 1


def uniform(seed: int, purpose: Purpose, round: int = 0, client: int = 0) -> float:
    """A number between 0 and 1, neither of them included."""
    return ((derive(seed, purpose, round, client) >> 11) + 0.5) / 2**52


def generator(
    seed: int, purpose: Purpose, round: int = 0, client: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A torch generator for one purpose, on `device`."""
    return torch.Generator(device).manual_seed(derive(seed, purpose, round, client))


def numpy_generator(seed: int, purpose: Purpose, round: int = 0, client: int = 0) -> np.random.Generator:
    """A NumPy generator, for the distributions that torch does not draw from a generator (gamma)."""
    return np.random.default_rng(derive(seed, purpose, round, client))


@contextmanager
def seeded(seed: int, purpose: Purpose, round: int = 0, client: int = 0) -> Iterator[None]:
    """Seed torch's global generators for the block, and put them back: module constructors and dropout know no other.

    One block at a time, over all threads.
    """
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with _GLOBAL, torch.random.fork_rng(devices=gpus):
        torch.manual_seed(derive(seed, purpose, round, client))
        yield


def seed_global(seed: int, purpose: Purpose, round: int = 0, client: int = 0) -> None:
    """Seed torch's global generators, for a network that draws from them where no block can hold them."""
    torch.manual_seed(derive(seed, purpose, round, client))
