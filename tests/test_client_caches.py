"""The caches of all clients: equal labels are shared, different ones kept apart, and a cache that lags is noticed."""

from __future__ import annotations

import resource

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scarlet_pl.cache import CachePolicy, ClientCaches, ServerCache, Signal
from scarlet_pl.errors import DesyncError

from .conftest import examples


def test_a_desynchronised_cache_is_noticed() -> None:
    caches, hit = ClientCaches(4, 2), torch.tensor([int(Signal.HIT)], dtype=torch.uint8)
    with pytest.raises(DesyncError, match="public sample 1"):
        caches.labels(0, torch.tensor([1]))
    with pytest.raises(DesyncError):
        caches.apply(0, torch.tensor([2]), hit, torch.zeros(1, 2), torch.zeros(1))


def rows_in_use(caches: ClientCaches) -> int:
    store = caches.state_dict()["store"]
    return len(store["rows"]) - len(store["_free"])


@examples(60)
@given(st.integers(0, 10_000), st.booleans())
def test_clients_share_equal_labels_and_keep_different_ones(seed: int, dated: bool) -> None:
    """Against a dictionary for each client; and whoever is cleared, restored, saved and loaded holds the same."""
    draws = torch.Generator().manual_seed(seed)
    caches = ClientCaches(6, 2, dated)
    models: list[dict[int, tuple[list[float], int]]] = [{} for _ in range(4)]
    for _ in range(25):
        which = int(torch.randint(0, 4, (), generator=draws))
        indices = torch.randperm(6, generator=draws)[: int(torch.randint(1, 7, (), generator=draws))]
        signals = torch.randint(0, 4, (len(indices),), generator=draws).to(torch.uint8)
        held = torch.tensor([i in models[which] for i in indices.tolist()])
        signals[(signals == Signal.HIT) & ~held] = int(Signal.NEW)
        labels = torch.randint(0, 3, (len(indices), 2), generator=draws).float()
        rounds = torch.randint(0, 3, (len(indices),), generator=draws)
        caches.apply(which, indices, signals, labels, rounds)
        every = zip(indices.tolist(), signals.tolist(), labels.tolist(), (rounds * dated).tolist(), strict=True)
        for i, signal, row, made in every:
            if signal == Signal.NEW:
                models[which][i] = row, made
            elif signal != Signal.HIT:
                models[which].pop(i, None)
        other = int(torch.randint(0, 4, (), generator=draws))
        kept = caches.content(other)
        caches.replace(other, None)
        assert caches.content(other) is None
        caches.replace(other, kept)
        again = ClientCaches(6, 2, dated)
        again.load_state_dict(caches.state_dict())
        for client, model in enumerate(models):
            keys = sorted(model)
            for each in (caches, again):
                content = each.content(client)
                if not model:
                    assert content is None
                    continue
                assert content is not None
                assert content["indices"].tolist() == keys
                assert content["labels"].tolist() == [model[k][0] for k in keys]
                assert content["rounds"].tolist() == [model[k][1] for k in keys]
    different = {(i, tuple(row), made) for model in models for i, (row, made) in model.items()}
    assert len(different) <= rows_in_use(caches) <= sum(map(len, models))


def test_equal_rows_take_one_row() -> None:
    caches = ClientCaches(50, 10)
    labels, indices = torch.rand(50, 10), torch.arange(50)
    for client in range(20):
        new = torch.full((50,), int(Signal.NEW), dtype=torch.uint8)
        caches.apply(client, indices, new, labels, indices)
    assert rows_in_use(caches) == 50


@pytest.mark.slow
def test_a_thousand_clients_fit_in_two_gib() -> None:
    """1,000 clients × 100,000 public samples × 100 classes: 40 GB of labels were they not shared."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clients, public, classes = 1000, 100_000, 100
    server, caches = ServerCache(CachePolicy(None), public, classes), ClientCaches(public, classes)
    labels = torch.rand(public, classes)
    indices, signals = torch.arange(public), torch.full((public,), int(Signal.NEW), dtype=torch.uint8)
    server.apply(indices, signals, labels, 0)
    for client in range(clients):
        sent = indices if client % 100 == 99 else indices[:1000]  # all of it to ten of them, for time's sake
        caches.apply(client, sent, signals[sent], labels[sent], torch.zeros(len(sent)))
        server.mark_sent(client, sent)
    assert torch.equal(caches.labels(999, indices[-5:]), labels[-5:])
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    assert grown < 2
