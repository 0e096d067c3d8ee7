"""Codecs of labels: each gives back what it was given, within its bound; delta against a worked example."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scarlet_pl.errors import ConfigError
from scarlet_pl.functional.quantization import row_entropy_bits
from scarlet_pl.wire import Float16, Float32, LabelCodec, Quantized

from .conftest import examples

CODECS: list[LabelCodec] = [
    kind(**options)
    for delta in (False, True)
    for kind, options in [(Float32, {}), (Float16, {}), *((Quantized, {"bits": b}) for b in (1, 2, 3, 5, 8, 16, 32))]
    for options in [{**options, "delta": delta}]  # type: ignore[misc]
]


def name(codec: LabelCodec) -> str:
    return f"{type(codec).__name__}{getattr(codec, 'bits', '')}{'-delta' if codec.delta else ''}"


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


@pytest.mark.parametrize("bits", [0, 17, 31, -1])
def test_bad_bits(bits: int) -> None:
    with pytest.raises(ConfigError, match=rf"codec.bits: got {bits}, allowed: 1 to 16, or 32"):
        Quantized(bits)
