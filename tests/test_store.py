"""Clients' states in memory and on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from scarlet_pl.client import ClientStore, DiskStore, MemoryStore
from scarlet_pl.client.rows import Layout
from scarlet_pl.methods import FedAvg

from .conftest import examples, share, tiny_data, tiny_trainer
from .naive import CLIENT, data_module

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)


def state(seed: int) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    floats = torch.rand(3, 5, generator=draws)
    return {"w": floats, "n": torch.tensor(seed), "h": floats[0].to(torch.bfloat16), "none": torch.zeros(0, 3)}


def same(a: object, b: dict[str, Tensor]) -> bool:
    assert isinstance(a, dict)
    return list(a) == list(b) and all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in b)


@given(st.lists(st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=3)), max_size=6))
def test_a_layout_keeps_every_type_and_shape(fields: list[tuple[torch.dtype, list[int]]]) -> None:
    values = {str(k): (torch.rand(shape) * 9).to(dtype) for k, (dtype, shape) in enumerate(fields)}
    layout = Layout.of(values)
    assert same(layout.unpack(layout.pack(values)), values)
    assert Layout(layout.fields).size == layout.size


@pytest.mark.parametrize("make", [MemoryStore, DiskStore])
def test_a_store_returns_what_was_put(make: type[ClientStore]) -> None:
    store = make(2)
    assert store.get(7) is None
    for client in (7, 3, 12, 0, 7):
        store.put(client, state(client))
    got = store.get(7)
    assert same(got, state(7))
    assert got is not None
    got["w"].zero_()  # a copy
    assert same(store.get(7), state(7))
    assert [client for client, _ in store.items()] == [0, 3, 7, 12]
    assert all(same(found, state(client)) for client, found in store.items())


@examples(60)
@given(st.lists(st.sets(st.integers(0, 9), max_size=4), min_size=1, max_size=12))
def test_kept_checkpoints_of_a_disk_store_stay_whole(rounds: list[set[int]]) -> None:
    """Whatever is written later: the states of the newest two checkpoints are those that were saved."""
    store = DiskStore(2)
    now: dict[int, int] = {}
    kept = []
    for number, cohort in enumerate(rounds):
        for client in cohort:
            now[client] = 100 * number + client
            store.put(client, state(now[client]))
        kept.append((store.state_dict(), dict(now)))
        for saved, then in kept[-2:]:
            again = DiskStore(2, store.folder)
            again.load_state_dict(saved)
            assert {client: int(found["n"]) for client, found in again.items()} == then
    size = sum(path.stat().st_size for path in store.folder.iterdir())
    row = Layout.of(state(0)).size
    assert size <= row * (10 + 4 * 4)  # rows are used again: all clients', and four rounds' of four


ROUNDS = st.tuples(st.sets(st.integers(0, 9), max_size=4), st.booleans(), st.integers(0, 2))


@examples(60)
@example([({0}, True, 0), *[({0}, False, 0)] * 5])
@given(st.lists(ROUNDS, min_size=1, max_size=16))
def test_others_checkpoints_do_not_drive_out_the_runs_own(rounds: list[tuple[set[int], bool, int]]) -> None:
    """Somebody writes one after each round; the run calls some of them its own, and may go back to the newest two."""
    store, now, own = (first := DiskStore(2)), dict[int, int](), list[tuple[Any, dict[int, int]]]()
    for number, (cohort, is_own, back) in enumerate(rounds):
        for client in cohort:
            now[client] = 100 * number + client
            store.put(client, state(now[client]))
        written = store.state_dict(), dict(now)
        if is_own:
            store.saved()
            own = [*own, written][-2:]
        for saved, then in own:
            again = DiskStore(2, first.folder)
            again.load_state_dict(saved)
            assert {client: int(found["n"]) for client, found in again.items()} == then
        if 0 < back <= len(own):
            own = own[:back]
            saved, now = own[-1][0], dict(own[-1][1])
            store = DiskStore(2, first.folder)
            store.load_state_dict(saved)
    size = sum(path.stat().st_size for path in first.folder.iterdir())
    assert size <= Layout.of(state(0)).size * (10 + 4 * 10 + 4 * 4)


def test_rows_of_removed_clients_are_used_again(tmp_path: Path) -> None:
    """A node puts back what a client was, again and again, and writes no checkpoint."""
    store = DiskStore(1, tmp_path)
    for seed in range(20):
        store.remove(0)
        store.put(0, state(seed))
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size == Layout.of(state(0)).size


def test_memory_of_removed_clients_is_used_again() -> None:
    store, most = MemoryStore(2), 0
    for seed in range(40):
        for client in (0, 1, 2):
            store.remove(client)
            store.put(client, state(seed + client))
        most = max(most, *(len(rows) for rows in store._rows.values()))
        store.load_state_dict(store.state_dict())
    assert most <= 10
    last = store.get(0)
    assert last is not None
    assert last.keys() == state(39).keys()
    assert all(torch.equal(value, state(39)[key]) for key, value in last.items())


def test_a_damaged_row_is_not_loaded(tmp_path: Path) -> None:
    store = DiskStore(1, tmp_path)
    store.put(0, state(0))
    store.put(1, state(1))
    saved = store.state_dict()
    (file,) = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2 + 3] ^= 1
    file.write_bytes(data)
    with pytest.raises(OSError, match=r"architecture_0\.bin: the state of client 1 is damaged"):
        DiskStore(1, tmp_path).load_state_dict(saved)
    file.write_bytes(data[:20])
    with pytest.raises(OSError, match="client 0 is damaged or missing"):
        store.get(0)


def test_the_store_does_not_change_a_bit() -> None:
    digests = []
    for store in ("memory", "disk"):
        data = tiny_data(clients=5)
        trainer, server = tiny_trainer(FedAvg(), 4, data=data, client=CLIENT, config=share(0.6, store=store))
        trainer.fit(server, data_module(data))
        digests.append(trainer.digest())
    assert digests[0] == digests[1]
