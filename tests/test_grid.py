"""The code of labels on the quantiser's grid: what it costs, and the same bytes everywhere."""

from __future__ import annotations

import itertools
import math
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scarlet_pl.functional.quantization import from_levels
from scarlet_pl.wire import Quantized
from scarlet_pl.wire.entropy import SymbolReader, SymbolWriter
from scarlet_pl.wire.grid import code_levels

from .conftest import examples
from .test_codecs import make


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
