"""What a node is sent and what it answers: all of it is checked."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scarlet_pl.cli.join import parse_clients
from scarlet_pl.errors import ConfigError, WireError
from scarlet_pl.network.frames import pack, unpack
from scarlet_pl.network.versions import Version, Versions

from .mail import FEDERATION, service

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)


@given(st.dictionaries(st.text(max_size=5).filter(lambda name: name != "blobs"), PLAIN), st.lists(st.binary()))
def test_frames_come_back(header: dict[str, Any], blobs: list[bytes]) -> None:
    fields, found = unpack(pack(header, blobs))
    assert found == blobs
    assert fields.numbers("blobs", 0, 1 << 20) == [len(blob) for blob in blobs]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"SPL1",
        b"SPL1\xff\xff\xff\xff{}",
        b"SPL2\x02\0\0\0{}",
        b"SPL1\x02\0\0\0{}",
        b"SPL1\x02\0\0\0[]",
        pack({"verb": "join"})[:-1],
        pack({"verb": "join"}) + b"x",
        pack({}, [b"abc"])[:-1],
        b"SPL1" + (len(deep := b"[" * 100_000)).to_bytes(4, "little") + deep,
    ],
)
def test_what_is_no_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(WireError):
        unpack(frame)


ASK = {"verb": "ask", "federation": FEDERATION, "round": 0, "packets": []}
PACKET = {"client": 0, "base": -1, "reset": False, "silent": False, "keep": []}


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"verb": "delete", "federation": FEDERATION}, "no such verb"),
        ({"verb": "join", "federation": "../" * 10 + "ab"}, "32 hexadecimal digits"),
        ({"verb": "join", "federation": "A" * 32}, "32 hexadecimal digits"),
        ({"verb": "join"}, "federation is no text"),
        ({**ASK, "packets": [PACKET]}, "0 payloads for 1 packets"),
        ({**ASK, "round": -1}, "round is no integer"),
        ({**ASK, "round": True}, "round is no integer"),
        ({"verb": "digest", "federation": FEDERATION, "clients": [{"client": 9, "base": -1}]}, "not in this node"),
        ({"verb": "digest", "federation": FEDERATION, "clients": {}}, "clients is no list"),
        ({"verb": "evaluate", "federation": FEDERATION, "clients": [{"client": 0, "base": "x"}]}, "base is no integer"),
    ],
)
def test_bad_requests_are_refused_and_write_nothing(request_: dict[str, Any], why: str, tmp_path: Path) -> None:
    header, _ = unpack(service(tmp_path).handle(pack(request_)))
    assert why in header.text("refused")
    assert not list(tmp_path.rglob("*"))


def test_a_client_twice_in_a_request_is_refused(tmp_path: Path) -> None:
    header, _ = unpack(service(tmp_path).handle(pack({**ASK, "packets": [PACKET, PACKET]}, [b"", b""])))
    assert header.text("refused") == "a client twice"


@pytest.mark.slow
def test_random_requests_are_refused_and_write_nothing(tmp_path: Path) -> None:
    """10,000: random bytes, and good requests with random bytes in them."""
    node, draws = service(tmp_path), random.Random(0)
    good = pack({**ASK, "packets": [PACKET]}, [b"x" * 50])
    for _ in range(10_000):
        request = bytearray(good if draws.random() < 0.7 else draws.randbytes(draws.randint(0, 200)))
        for _ in range(draws.randint(1, 4)):
            if request:
                request[draws.randrange(len(request))] = draws.randrange(256)
        answer, _ = unpack(node.handle(bytes(request)))
        if not answer.has("refused"):  # it was still a request, of a message that the method refuses
            assert all(part.text("kind") in ("wire", "desync") for part in answer.parts("answers"))
    assert not list(tmp_path.rglob("*.version"))


def test_a_damaged_version_is_none(tmp_path: Path) -> None:
    """1,000 flipped bits."""
    versions, draws = Versions(tmp_path), random.Random(0)
    kept = Version(3, "asked", b"payload", {"steps": 3}, None, {"cache": [1, 2]})
    versions.put(1, 4, kept)
    (path,) = tmp_path.rglob("*.version")
    whole = path.read_bytes()
    assert versions.get(1, 4) == kept
    for _ in range(1000):
        bit, data = draws.randrange(8 * len(whole)), bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        assert versions.get(1, 4) is None
    path.write_bytes(whole[:-1])
    assert versions.get(1, 4) is None
    assert versions.get(1, 5) is None


@pytest.mark.parametrize("value", ["9" * 400, "-" + "9" * 400, "true", '"1"', "[]"])
def test_what_is_no_number_is_refused(value: str) -> None:
    text = f'{{"loss":{value},"metrics":{{"accuracy":{value}}},"blobs":[]}}'.encode()
    fields, _ = unpack(b"SPL1" + len(text).to_bytes(4, "little") + text)
    with pytest.raises(WireError):
        fields.real("loss")
    with pytest.raises(WireError):
        fields.reals("metrics")


@pytest.mark.parametrize("text", ["0,7", "5-2,1", "3,9-12", "", "a", "2/2", "0,,1"])
def test_clients_that_there_are_not_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="clients"):
        parse_clients(text, 4)


def test_clients_are_numbers_spans_and_shares() -> None:
    assert parse_clients("3,0-1", 4) == [0, 1, 3]
    assert parse_clients("1/2", 4) == [2, 3]
