"""Seeded indices: draw, signals and requests follow from the shared seed and the cache, and need not be sent."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.cache.policy import CachePolicy, Signal
from scarlet_pl.errors import DesyncError
from scarlet_pl.methods.distillation.messages import DIGEST_BYTES, Content
from scarlet_pl.methods.distillation.settings import Settings
from scarlet_pl.methods.population import Population


def cache_signals(policy: CachePolicy, stored: Tensor, seed: int, round: int, labels: Tensor | None = None) -> Tensor:
    """(n,) rounds of storage before `round`, and (n, N) labels where they are known → (n,) signals: the same on both
    sides, whoever asks."""
    return policy.signals(stored, round, rng.generator(seed, "cache", round), labels)


def cache_digest(before: Tensor, stored: Tensor) -> bytes:
    """What a content follows from: the rounds of storage of the last draw before it was used, and of this round's
    draw now."""
    data = before.to(torch.int32).numpy().tobytes() + b"|" + stored.to(torch.int32).numpy().tobytes()
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def derive(settings: Settings, population: Population, stored: Tensor, round: int, digest: bytes) -> Content:
    """The content of the downlink of `round`, at a client whose entries were stored in the rounds `stored`, (P,).

    Raises:
        DesyncError: the client's cache is not the one that the server's digest is of.
    """
    policy, seed = settings.policy, population.seed
    labelled = round > 0 and settings.clients_distill
    last = settings.draw.draw(population, round - 1) if labelled else torch.zeros(0, dtype=torch.int64)
    now = settings.draw.draw(population, round)
    before, after = stored[last], stored.clone()
    signals = cache_signals(policy, before, seed, round - 1)
    after[last[(signals == Signal.UNCACHED) | (signals == Signal.EXPIRED)]] = -1
    after[last[signals == Signal.NEW]] = round - 1
    if cache_digest(before, after[now]) != digest:
        raise DesyncError("the client's cache is not the one that the server's message follows from")
    return Content(last, signals, request=now[~policy.hits(after[now], round)])
