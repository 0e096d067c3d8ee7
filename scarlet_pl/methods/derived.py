"""What a client can derive from the shared seed and its own cache instead of being sent it: draw, signals, requests."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.cache import CachePolicy, Signal
from scarlet_pl.errors import DesyncError
from scarlet_pl.methods.base import Population
from scarlet_pl.methods.draws import DrawPolicy
from scarlet_pl.methods.messages import DIGEST_BYTES, Content


def cache_signals(policy: CachePolicy, stored: Tensor, seed: int, round: int) -> Tensor:
    """(n,) rounds of storage before `round` → (n,) signals: the same on both sides, whoever asks."""
    return policy.signals(stored, round, rng.generator(seed, "cache", round))


def state_digest(before: Tensor, stored: Tensor) -> bytes:
    """What a derived content depends on: the rounds of storage of the last draw before it was used, and of this
    round's draw now."""
    data = before.to(torch.int32).numpy().tobytes() + b"|" + stored.to(torch.int32).numpy().tobytes()
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def derive(
    population: Population,
    policy: CachePolicy,
    draws: DrawPolicy,
    stored: Tensor,
    round: int,
    digest: bytes,
    labelled: bool,
) -> Content:
    """The content of the downlink of `round`, at a client whose entries were stored in the rounds `stored`, (P,).

    Args:
        labelled: whether the last draw's labels go down at all.

    Raises:
        DesyncError: the client's state is not the one that the server's digest is of.
    """
    seed, size = population.seed, population.public_size
    last = draws.draw(seed, round - 1, size) if round and labelled else torch.zeros(0, dtype=torch.int64)
    now = draws.draw(seed, round, size)
    before, after = stored[last], stored.clone()
    signals = cache_signals(policy, before, seed, round - 1)
    after[last[(signals == Signal.UNCACHED) | (signals == Signal.EXPIRED)]] = -1
    after[last[signals == Signal.NEW]] = round - 1
    if state_digest(before, after[now]) != digest:
        raise DesyncError("the client's cache is not the one that the server's message follows from")
    return Content(last, signals, request=now[~policy.hits(after[now], round)])
