"""Quantisation against brute force, codecs against their own inverse, delta against a worked example."""

from __future__ import annotations

import itertools
import math
import resource
import time
import tracemalloc
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from scarlet_pl.errors import ConfigError, WireError
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.functional.quantization import constrained_quantize, from_levels, row_entropy_bits
from scarlet_pl.functional.selection import select
from scarlet_pl.methods.distillation.messages import Coding, Content, Downlink, Uplink
from scarlet_pl.wire import Envelope, Float16, Float32, LabelCodec, Quantized
from scarlet_pl.wire.entropy import SymbolReader, SymbolWriter
from scarlet_pl.wire.grid import code_levels

from .conftest import examples

WORKED = {
    (0.5, 0.3, 0.2): {1: [1, 0, 0], 2: [1, 1, 1], 3: [4, 2, 1]},
    (0.62, 0.25, 0.13): {1: [1, 0, 0], 2: [2, 1, 0], 3: [4, 2, 1]},
    (0.4, 0.35, 0.25): {1: [1, 0, 0], 2: [1, 1, 1], 3: [3, 2, 2]},
    (0.1, 0.1, 0.8): {1: [0, 0, 1], 2: [0, 0, 3], 3: [1, 1, 5]},
    (0.28, 0.26, 0.24, 0.22): {1: [1, 0, 0, 0], 2: [1, 1, 1, 0], 3: [2, 2, 2, 1]},
}
CODECS: list[LabelCodec] = [
    kind(**options)
    for delta in (False, True)
    for kind, options in [(Float32, {}), (Float16, {}), *((Quantized, {"bits": b}) for b in (1, 2, 3, 5, 8, 16, 32))]
    for options in [{**options, "delta": delta}]  # type: ignore[misc]
]


def name(codec: LabelCodec) -> str:
    return f"{type(codec).__name__}{getattr(codec, 'bits', '')}{'-delta' if codec.delta else ''}"


@pytest.mark.parametrize("p", WORKED, ids=str)
def test_quantiser_worked_examples(p: tuple[float, ...]) -> None:
    """Worked by hand."""
    for bits, levels in WORKED[p].items():
        assert constrained_quantize(torch.tensor([p]), bits)[0].tolist() == levels


@pytest.mark.parametrize(("classes", "bits"), [(2, 1), (3, 1), (5, 1), (2, 3), (3, 2), (4, 2), (5, 2), (3, 3), (5, 3)])
def test_quantiser_is_the_nearest_point_by_brute_force(classes: int, bits: int) -> None:
    steps = 2**bits - 1
    grid = torch.tensor(
        [levels for levels in itertools.product(range(steps + 1), repeat=classes) if sum(levels) == steps]
    )
    p = torch.rand(150, classes, generator=torch.Generator().manual_seed(bits), dtype=torch.float64)
    p = p.pow(3) / p.pow(3).sum(1, keepdim=True)
    best = (p[:, None] - grid / steps).abs().sum(-1).min(1).values
    for draws in (None, torch.Generator().manual_seed(0)):
        found = constrained_quantize(p, bits, draws)
        assert torch.allclose((p - found / steps).abs().sum(-1), best, atol=1e-12)


@given(st.integers(1, 16), st.integers(1, 12), st.integers(0, 10_000))
def test_quantised_rows_stay_on_the_simplex(bits: int, classes: int, seed: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    p = torch.rand(5, classes, generator=draws).mul(9).softmax(-1)
    levels = constrained_quantize(p, bits, draws)
    steps = 2**bits - 1
    assert levels.sum(-1).tolist() == [steps] * 5
    assert int(levels.min()) >= 0
    assert float((from_levels(levels, bits) - p).abs().max()) <= 1 / steps + 1e-6
    assert torch.equal(constrained_quantize(from_levels(levels, bits), bits, draws), levels)


def test_ties_are_drawn_and_the_draw_is_seeded() -> None:
    uniform = torch.full((2000, 4), 0.25)
    found = constrained_quantize(uniform, 1, torch.Generator().manual_seed(0))
    assert torch.equal(found, constrained_quantize(uniform, 1, torch.Generator().manual_seed(0)))
    assert found.sum(0).tolist() == pytest.approx([500] * 4, rel=0.15)


def test_delta_worked_example() -> None:
    """Worked by hand: previous 3 3 1 2 2 1 3 1, new 3 1 1 2 2 1 3 2."""
    before, after = ([3, 3, 1, 2, 2, 1, 3, 1], [3, 1, 1, 2, 2, 1, 3, 2])
    old, new = (torch.eye(3)[torch.tensor(labels) - 1] for labels in (before, after))
    symbols = torch.where((new == old).all(1), 0, torch.tensor(after))
    assert symbols.tolist() == [0, 1, 0, 0, 0, 0, 0, 2]
    assert row_entropy_bits(new) / 8 == pytest.approx(1.561278, abs=1e-6)
    assert row_entropy_bits(symbols[:, None]) / 8 == pytest.approx(1.061278, abs=1e-6)
    codec = Quantized(1, delta=True)
    assert codec.shannon_bits(new, old) / 8 == pytest.approx(1.061278, abs=1e-6)
    assert torch.equal(codec.decode(codec.encode(new, old), 8, 3, old), new)


def make(codec: LabelCodec, rows: int, classes: int, seed: int, sharp: float = 6.0) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    return codec.quantize(torch.rand(rows, classes, generator=draws).mul(sharp).softmax(-1), draws)


@examples(150)
@given(
    codec=st.sampled_from(CODECS),
    rows=st.sampled_from([0, 1, 2, 15, 16, 17, 100]),
    classes=st.sampled_from([1, 2, 10, 37]),
    seed=st.integers(0, 10_000),
    same=st.floats(0, 1),
    known=st.floats(0, 1),
)
def test_every_codec_gives_back_what_it_was_given(
    codec: LabelCodec, rows: int, classes: int, seed: int, same: float, known: float
) -> None:
    labels, last = make(codec, rows, classes, seed), make(codec, rows, classes, seed + 1)
    draws = torch.Generator().manual_seed(seed)
    keep = torch.rand(rows, generator=draws) < same
    last[keep] = labels[keep]
    last[torch.rand(rows, generator=draws) > known] = torch.nan
    for reference in (None, last):
        data = codec.encode(labels, reference)
        assert torch.equal(codec.decode(data, rows, classes, reference), labels)
        assert len(data) <= codec.size(rows, classes)
    assert torch.equal(codec.expand(codec.compact(labels), classes), labels)


@pytest.mark.slow
@pytest.mark.parametrize("codec", CODECS, ids=name)
def test_large_messages(codec: LabelCodec) -> None:
    labels = make(codec, 80_000, 10, 0)
    data = codec.encode(labels)
    assert torch.equal(codec.decode(data, 80_000, 10), labels)
    assert len(data) <= codec.size(80_000, 10)


def test_symbols_that_mislead_the_model_keep_the_bound() -> None:
    classes = torch.cat([torch.zeros(9000), torch.ones(9000), torch.full((9000,), 2), torch.zeros(9000)]).long()
    labels = torch.eye(10)[classes]
    codec = Quantized(1)
    data = codec.encode(labels)
    assert torch.equal(codec.decode(data, len(labels), 10), labels)
    assert len(data) <= codec.size(len(labels), 10) <= math.ceil(36_000 * math.log2(10) / 8 * 1.001) + 13


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_one_bit_labels_are_at_their_shannon_bound(share: float) -> None:
    draws = torch.Generator().manual_seed(0)
    classes = torch.where(
        torch.rand(20_000, generator=draws) < share, 0, torch.randint(0, 10, (20_000,), generator=draws)
    )
    labels = torch.eye(10)[classes]
    assert len(Quantized(1).encode(labels)) <= 1.05 * Quantized(1).shannon_bits(labels) / 8 + 64


def grid_points(rows: int, classes: int, bits: int, concentration: float = 1.0, seed: int = 0) -> NDArray[np.int64]:
    """Levels (rows, classes) of a Dirichlet-multinomial: at concentration 1 all points of the grid are as likely."""
    draws = np.random.default_rng(seed)
    return draws.multinomial(2**bits - 1, draws.dirichlet(np.full(classes, concentration), rows))


def most_bytes(rows: int, classes: int, bits: int) -> float:
    """A number for each point of the grid, and one per cent and twelve bytes."""
    return rows * math.log2(math.comb(2**bits + classes - 2, classes - 1)) * 1.01 / 8 + 12


@examples(60)
@given(
    bits=st.integers(2, 16),
    classes=st.integers(1, 200),
    rows=st.integers(1, 40),
    concentration=st.sampled_from([0.001, 0.01, 0.1, 1, 100]),
    seed=st.integers(0, 10_000),
    repeats=st.sampled_from([1, 30]),
)
def test_labels_on_the_grid(bits: int, classes: int, rows: int, concentration: float, seed: int, repeats: int) -> None:
    levels = grid_points(rows, classes, bits, concentration, seed).repeat(repeats, 0)
    bound = most_bytes(len(levels), classes, bits)
    for learns in (True, False):
        writer = SymbolWriter(learns)
        code_levels(writer, levels, 2**bits - 1)
        reader = SymbolReader(writer.bytes())
        assert np.array_equal(code_levels(reader, np.zeros_like(levels), 2**bits - 1), levels)
        reader.close()
        assert learns or len(writer.bytes()) <= bound
    labels, codec = from_levels(torch.from_numpy(levels), bits), Quantized(bits)
    data = codec.encode(labels)
    assert torch.equal(codec.decode(data, *labels.shape), labels)
    assert len(data) <= codec.size(*labels.shape) <= bound + 1


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("bits", [2, 3, 4, 8, 12, 16])
def test_labels_all_over_the_grid_cost_their_enumeration(bits: int, classes: int) -> None:
    labels = from_levels(torch.from_numpy(grid_points(1_000, classes, bits)), bits)
    data = Quantized(bits).encode(labels)
    assert torch.equal(Quantized(bits).decode(data, 1_000, classes), labels)
    assert len(data) <= most_bytes(1_000, classes, bits)


@pytest.mark.parametrize(("classes", "bits"), [(4, 2), (3, 3), (3, 4)])
def test_every_point_of_the_grid_costs_the_same(classes: int, bits: int) -> None:
    steps = 2**bits - 1
    points = [levels for levels in itertools.product(range(steps + 1), repeat=classes) if sum(levels) == steps]
    lengths = []
    for point in points:
        writer = SymbolWriter(learns=False)
        code_levels(writer, np.tile(point, (1_000, 1)), steps)
        lengths.append(len(writer.bytes()))
    assert lengths == pytest.approx([1_000 * math.log2(len(points)) / 8] * len(points), rel=0.01, abs=12)


@pytest.mark.parametrize(("bits", "enumeration"), [(2, 7.78), (4, 20.32)])
def test_soft_labels_cost_no_more_than_their_enumeration(bits: int, enumeration: float) -> None:
    """They cost 8.1 and 21.3 bits where every class had a model that did not know what was left."""
    labels = make(Quantized(bits), 8_000, 10, 0)
    assert 8 * len(Quantized(bits).encode(labels)) / 8_000 <= 1.01 * enumeration


@pytest.mark.parametrize(("bits", "share"), [(2, 0.54), (3, 0.4), (4, 0.34), (8, 0.36), (12, 0.49), (16, 0.61)])
def test_labels_of_a_sure_network_cost_less(bits: int, share: float) -> None:
    draws = torch.Generator().manual_seed(0)
    sure = 8 * torch.eye(10)[torch.randint(0, 10, (8_000,), generator=draws)]
    labels = Quantized(bits).quantize((2 * torch.randn(8_000, 10, generator=draws) + sure).softmax(-1), draws)
    data = Quantized(bits).encode(labels)
    assert torch.equal(Quantized(bits).decode(data, 8_000, 10), labels)
    assert len(data) <= share * most_bytes(8_000, 10, bits)


@pytest.mark.parametrize(("bits", "checksum"), [(1, 2219257883), (2, 2757221265), (8, 2610226530), (16, 2474975955)])
def test_the_same_bytes_on_every_machine(bits: int, checksum: int) -> None:
    cuts = np.sort(np.arange(1, 501)[:, None] * [7919, 104729, 1299709] % 2**bits, 1)
    levels = np.diff(cuts, prepend=0, append=2**bits - 1)
    writers = SymbolWriter(), SymbolWriter(learns=False)
    for writer in writers:
        code_levels(writer, levels, 2**bits - 1)
    labels = from_levels(torch.from_numpy(levels), bits)
    sent = [*(writer.bytes() for writer in writers), Quantized(bits).encode(labels)]
    assert zlib.crc32(b"".join(sent)) == checksum


@given(st.integers(0, 1000), st.sampled_from([1, 4, 8]))
def test_delta_never_costs_more_than_its_byte(seed: int, bits: int) -> None:
    labels, last = make(Quantized(bits), 60, 5, seed), make(Quantized(bits), 60, 5, seed + 1)
    assert len(Quantized(bits, True).encode(labels, last)) <= len(Quantized(bits).encode(labels)) + 1


def test_an_fd_round_is_three_point_two_megabytes() -> None:
    """The labels of one FD round at n = 80,000 and N = 10; the FD and CFD-1-32 downlink
    columns of CFD's Table II are whole multiples of it."""
    labels = torch.rand(80_000, 10).softmax(-1)
    codec = Float32()
    assert len(codec.encode(labels)) == codec.size(80_000, 10) == 3_200_000
    fd = [89.60, 38.40, 6.40, 44.80, 48.00, 16.00, 32.00, 28.80, 25.60]
    cfd_down = [92.80, 67.20, 19.20, 54.40, 41.60, 22.40, 38.40, 41.60, 28.80]
    assert [round(mb / 3.2, 6) for mb in fd] == [28, 12, 2, 14, 15, 5, 10, 9, 8]
    assert [round(mb / 3.2, 6) for mb in cfd_down] == [29, 21, 6, 17, 13, 7, 12, 13, 9]


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
    payload = Uplink(labels).encode(coding, True).pack(envelope)
    decoded, message = Uplink.decode(payload, envelope, coding, request, True)
    assert torch.equal(decoded, labels.labels)
    assert message.parts == Uplink(labels).encode(coding, True).parts
    assert message.paper_bytes == labels.labels.numel() * 4 + 8 * len(request)
    draws = np.random.default_rng(0)
    tracemalloc.start()
    slowest = 0.0
    for _ in range(10_000 if full else 1_000):
        data = damaged(payload, draws)
        start = time.thread_time()  # other work on the machine does not count
        with pytest.raises(WireError):
            Uplink.decode(data, envelope, coding, request, True)
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


def test_selection() -> None:
    p = torch.tensor([[1.0, 0, 0], [0.4, 0.3, 0.3], [0.5, 0.5, 0.0], [0.6, 0.2, 0.2], [0.45, 0.1, 0.45]])
    assert select(p, 2, "entropy").tolist() == [1, 3]
    assert select(p, 2, "certainty").tolist() == [1, 4]
    assert select(p, 2, "margin").tolist() == [2, 4]


@pytest.mark.parametrize("bits", [0, 17, 31, -1])
def test_bad_bits(bits: int) -> None:
    with pytest.raises(ConfigError, match=rf"codec.bits: got {bits}, allowed: 1 to 16, or 32"):
        Quantized(bits)
