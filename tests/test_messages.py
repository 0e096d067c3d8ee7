"""The messages of distillation: there and back, and refused where they are damaged."""

from __future__ import annotations

import resource
import time
import tracemalloc
import zlib

import numpy as np
import pytest
import torch

from scarlet_pl.errors import WireError
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.distillation.messages import Coding, Content, Downlink, decode_uplink, encode_uplink
from scarlet_pl.wire import Envelope, LabelCodec, Quantized

from .test_codecs import CODECS, make, name


def damaged(payload: bytes, draws: np.random.Generator) -> bytes:
    kind = draws.integers(4)
    if kind == 0:
        return payload[: draws.integers(len(payload))]
    if kind == 1:
        bit = int(draws.integers(8 * len(payload)))
        flipped = bytearray(payload)
        flipped[bit // 8] ^= 1 << bit % 8
        return bytes(flipped)
    if kind == 2:
        return draws.bytes(int(draws.integers(1, 300)))
    bomb = bytearray(payload)  # a length field that claims gigabytes, with a checksum that fits
    start = 17 + 4 * int(draws.integers(2))
    bomb[start : start + 4] = b"\xff\xff\xff\x7f"
    return bytes(bomb[:-4]) + zlib.crc32(bytes(bomb[:-4])).to_bytes(4, "little")


@pytest.mark.parametrize("codec", CODECS, ids=name)
def test_damaged_payloads_are_refused(codec: LabelCodec, full: bool) -> None:
    """10,000 per codec with --full, a tenth of it without."""
    coding, request = Coding(codec, 50, 10), torch.arange(0, 50, 2)
    envelope = Envelope("up", "Distillation", 3, 1)
    labels = SoftLabels(request, make(codec, 25, 10, 0))
    payload = encode_uplink(labels, coding, True).pack(envelope)
    decoded, message = decode_uplink(payload, envelope, coding, request, True)
    assert torch.equal(decoded.labels, labels.labels)
    assert torch.equal(decoded.indices, request)
    assert message.parts == encode_uplink(labels, coding, True).parts
    assert message.paper_bytes == labels.labels.numel() * 4 + 8 * len(request)
    draws = np.random.default_rng(0)
    tracemalloc.start()
    slowest = 0.0
    for _ in range(10_000 if full else 1_000):
        data = damaged(payload, draws)
        start = time.thread_time()  # other work on the machine does not count
        with pytest.raises(WireError):
            decode_uplink(data, envelope, coding, request, True)
        slowest = max(slowest, time.thread_time() - start)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert slowest < 1
    assert peak < 64 * 2**20


@pytest.mark.parametrize("codec", CODECS, ids=name)
def test_damage_below_the_checksum_is_an_error_or_a_distribution(codec: LabelCodec, full: bool) -> None:
    """A sender that lies with a fitting checksum can send other labels, but not what is no label; and no memory that
    was not asked for."""
    labels, draws = make(codec, 25, 10, 0), np.random.default_rng(1)
    data = codec.encode(labels, labels if codec.delta else None)
    coding = Coding(codec, 50, 10, lambda indices: labels if codec.delta else None)
    refused, slowest, before = 0, 0.0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(10_000 if full else 300):
        noise = damaged(data, draws) if len(data) > 40 else draws.bytes(int(draws.integers(1, 60)))
        start = time.thread_time()
        try:
            found = coding.decode(memoryview(noise), torch.arange(25))
        except WireError:
            refused += 1
            continue
        finally:
            slowest = max(slowest, time.thread_time() - start)
        assert found.shape == (25, 10)
        assert torch.allclose(found.sum(1), torch.ones(25), atol=1e-2)
    assert refused > 0
    assert slowest < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 2**10


def test_downlink_round_trip() -> None:
    envelope, coding = Envelope("down", "Distillation", 3, 1), Coding(Quantized(2), 20, 3)
    signals = torch.tensor([1, 2, 1, 3, 0], dtype=torch.uint8)
    content = Content(torch.tensor([1, 4, 8, 9, 19]), signals, torch.tensor([0, 3]))
    labels, late = make(Quantized(2), 3, 3, 0), SoftLabels(torch.tensor([8]), make(Quantized(2), 1, 3, 1))
    message = Downlink(content, labels, late, torch.tensor([2])).encode(coding)

    def refuse(digest: bytes) -> Content:
        raise AssertionError

    back = Downlink.decode(message.pack(envelope), envelope, coding, refuse, dated=True)
    assert torch.equal(back.content.draw, content.draw)
    assert back.content.signals is not None
    assert torch.equal(back.content.signals, signals)
    assert torch.equal(back.content.request, content.request)
    assert torch.equal(back.labels, labels)
    assert torch.equal(back.catch_up.labels, late.labels)
    assert back.rounds is not None
    assert back.rounds.tolist() == [2]
    assert message.paper_bytes == 8 * (5 + 5 + 2 + 1) + 4 * 3 * 4
    foreign = Downlink(content, labels, SoftLabels(torch.tensor([9]), late.labels), torch.tensor([2]))
    with pytest.raises(WireError, match="no cache hit"):
        Downlink.decode(foreign.encode(coding).pack(envelope), envelope, coding, refuse, dated=True)
