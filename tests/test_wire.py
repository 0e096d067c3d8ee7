"""What is packed comes back; what is damaged does not."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scarlet_pl.digest import digest
from scarlet_pl.errors import WireError
from scarlet_pl.wire import CommunicationLedger, Envelope, Float32, Message
from scarlet_pl.wire.fields import (
    decode_counts,
    decode_indices,
    decode_signals,
    encode_counts,
    encode_indices,
    encode_signals,
)
from scarlet_pl.wire.frame import overhead_bytes
from scarlet_pl.wire.ledger import RoundLedger

ENVELOPE = Envelope("down", "Distillation", 7, 3)
NAMES = ("a", "b")


@given(st.lists(st.binary(max_size=40), min_size=2, max_size=2))
def test_frame_round_trip(parts: list[bytes]) -> None:
    payload = Message(dict(zip(NAMES, parts, strict=True)), 0).pack(ENVELOPE)
    assert len(payload) == overhead_bytes(2) + sum(map(len, parts))
    back = Message.unpack(payload, ENVELOPE, NAMES)
    assert [bytes(back[name]) for name in NAMES] == parts


@pytest.mark.parametrize(
    "other",
    [
        Envelope("up", "Distillation", 7, 3),
        Envelope("down", "FedAvg", 7, 3),
        Envelope("down", "Distillation", 6, 3),
        Envelope("down", "Distillation", 7, 4),
    ],
)
def test_foreign_and_replayed_messages(other: Envelope) -> None:
    payload = Message({"a": b"12", "b": b""}, 0).pack(ENVELOPE)
    with pytest.raises(WireError, match="link of client"):
        Message.unpack(payload, other, NAMES)


@given(st.data())
def test_damage_is_found(data: st.DataObject) -> None:
    payload = Message({"a": b"some labels", "b": b"indices"}, 0).pack(ENVELOPE)
    bit = data.draw(st.integers(0, 8 * len(payload) - 1))
    flipped = bytearray(payload)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WireError):
        Message.unpack(bytes(flipped), ENVELOPE, NAMES)
    with pytest.raises(WireError):
        Message.unpack(payload[: data.draw(st.integers(0, len(payload) - 1))], ENVELOPE, NAMES)
    with pytest.raises(WireError):
        Message.unpack(payload + data.draw(st.binary(min_size=1, max_size=9)), ENVELOPE, NAMES)


@given(st.binary(max_size=200))
def test_random_bytes_are_no_message(noise: bytes) -> None:
    with pytest.raises(WireError):
        Message.unpack(noise, ENVELOPE, NAMES)


@given(st.integers(1, 5000), st.data())
def test_indices_round_trip(limit: int, data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.integers(0, limit - 1), max_size=min(limit, 300)))
    indices = torch.tensor(sorted(chosen), dtype=torch.int64)
    coded = encode_indices(indices, limit)
    assert torch.equal(decode_indices(coded, limit), indices)


def test_indices_take_the_shorter_code() -> None:
    assert len(encode_indices(torch.arange(1000), 10_000)) == 1001  # gaps of a byte
    assert len(encode_indices(torch.arange(9000), 10_000)) == 1251  # a bit a sample
    assert len(encode_indices(torch.tensor([5]), 10_000)) == 2
    assert encode_indices(torch.arange(0), 10_000) == b""


@pytest.mark.parametrize(
    "data", [b"\0", b"\2\1", b"\0\5", b"\0\0\0\0\0\0\0", b"\1\0\0", b"\1\x20", b"\0" + b"\x80" * 9]
)
def test_bad_indices(data: bytes) -> None:
    if data == b"\0":
        assert len(decode_indices(data, 5)) == 0
        return
    with pytest.raises(WireError):
        decode_indices(data, 5)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=30))
def test_counts_round_trip(values: list[int]) -> None:
    coded = encode_counts(torch.tensor(values, dtype=torch.int64))
    assert decode_counts(coded, len(values)).tolist() == values
    with pytest.raises(WireError):
        decode_counts(coded, len(values) + 1)


@given(st.lists(st.integers(0, 3), max_size=33))
def test_signals_round_trip(values: list[int]) -> None:
    signals = torch.tensor(values, dtype=torch.uint8)
    data = encode_signals(signals)
    assert len(data) == (len(values) + 3) // 4
    assert torch.equal(decode_signals(data, len(values)), signals)


def test_bad_signals() -> None:
    with pytest.raises(WireError):
        decode_signals(b"12", 4)


@given(st.integers(0, 9), st.integers(1, 7), st.integers(0, 1000))
def test_float32_round_trip(rows: int, classes: int, seed: int) -> None:
    labels = torch.rand(rows, classes, generator=torch.Generator().manual_seed(seed))
    data = Float32().encode(labels)
    assert len(data) == Float32().size(rows, classes)
    assert torch.equal(Float32().decode(data, rows, classes), labels)
    with pytest.raises(WireError):
        Float32().decode(data + b"1234", rows, classes)


def test_a_length_bomb_is_refused_before_it_is_allocated() -> None:
    with pytest.raises(WireError):
        Float32().decode(b"", 2**40, 10)


def test_ledger_counts_every_byte_once() -> None:
    round, ledger = RoundLedger(7), CommunicationLedger()
    message = Message({"labels": b"x" * 40, "indices/draw": b"y" * 8, "catch_up/labels": b"z" * 3}, paper_bytes=99)
    payload = message.pack(ENVELOPE)
    round.record(3, "down", payload, message)
    up = Message({"labels": b"abc"}, paper_bytes=5)
    round.record(1, "up", up.pack(Envelope("up", "Distillation", 7, 1)), up)
    round.record(2, "up", b"damaged", None)
    traffic = round.close()
    ledger.commit(traffic)
    assert traffic.clients.tolist() == [1, 2, 3]
    assert ledger.total("down") == len(payload)
    assert ledger.total("down", "labels") == 40
    assert ledger.total("down", "indices") == 8
    assert ledger.total("down", "catch_up") == 3
    assert ledger.total("down", "paper") == 99
    assert ledger.total("up") == 3 + overhead_bytes(1) + len(b"damaged")
    assert ledger.total("up", "frame") == overhead_bytes(1) + len(b"damaged")
    assert ledger.total("up", "paper") == 5
    again = CommunicationLedger()
    again.load_state_dict(ledger.state_dict())
    assert digest(again.state_dict()) == digest(ledger.state_dict())
    again.commit(traffic)
    assert again.total("down", "labels") == 80
    assert again.rounds == 2
