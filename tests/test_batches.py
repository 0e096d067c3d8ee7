"""Images as networks take them, and the batches in which they come, on one rank and on several."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scarlet_pl.data import ImageTransform, RoundBatches, Samples, WholeSet

from .conftest import examples


def test_transform_normalises_and_augments_only_on_request() -> None:
    images = torch.arange(0, 250, dtype=torch.uint8)[: 2 * 3 * 16].view(2, 3, 4, 4)
    transform = ImageTransform(mean=0.5, std=0.25, flip=True, crop_padding=2)
    plain = transform({"image": images})["image"]
    assert torch.allclose(plain, (images.float() / 255 - 0.5) / 0.25)
    assert torch.equal(images, torch.arange(0, 96, dtype=torch.uint8).view(2, 3, 4, 4))
    draws = [
        transform({"image": images}, transform.draw(2, torch.Generator().manual_seed(seed)))["image"]
        for seed in (0, 0, 1)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_augmentation_is_a_crop_of_the_padded_and_maybe_mirrored_image() -> None:
    image = torch.randint(1, 255, (1, 1, 5, 5), dtype=torch.uint8)
    transform = ImageTransform(mean=0, std=1 / 255, flip=True, crop_padding=1)
    padded = [torch.nn.functional.pad(each, (1, 1, 1, 1)) for each in (image, image.flip(-1))]
    possible = {
        tuple(p[0, 0, y : y + 5, x : x + 5].flatten().tolist()) for p in padded for y in range(3) for x in range(3)
    }
    seen = set()
    for seed in range(200):
        out = transform({"image": image}, transform.draw(1, torch.Generator().manual_seed(seed)))["image"]
        seen.add(tuple(out.round().int().flatten().tolist()))
    assert seen == possible


def test_bring_together_grey_and_colour() -> None:
    grey = torch.randint(0, 255, (3, 1, 6, 6), dtype=torch.uint8)
    samples = [Samples.images(grey)]
    assert ImageTransform().bring_together(samples)[0].fields["image"] is grey
    colour = ImageTransform(channels=3).bring_together(samples)[0].fields["image"]
    assert torch.equal(colour, grey.expand(-1, 3, -1, -1))
    again = ImageTransform(channels=1).bring_together([Samples.images(colour)])[0].fields["image"]
    assert (again.int() - grey.int()).abs().max() <= 1


def test_public_batches_cover_the_draw_in_every_pass() -> None:
    draw = torch.tensor([3, 5, 7, 9, 11, 20, 21, 30])
    sampler = RoundBatches(seed=1, size=8, batch_size=3, epochs=2)
    sampler.set_draw(4, draw)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 6
    for part in (batches[:3], batches[3:]):
        assert sorted(torch.cat(part).tolist()) == draw.tolist()
    assert torch.equal(torch.cat(list(sampler)), torch.cat(batches))
    sampler.set_draw(5, draw)
    assert not torch.equal(torch.cat(list(sampler)), torch.cat(batches))
    seven = RoundBatches(seed=1, size=7, batch_size=3, epochs=2)  # batch normalisation cannot train on one sample
    seven.set_draw(0, draw[:7])
    assert [len(batch) for batch in seven] == [3, 3, 3, 3]
    assert len(seven) == 4
    with pytest.raises(ValueError, match="a draw of 3"):
        sampler.set_draw(5, draw[:3])


@examples(100)
@given(st.integers(2, 40), st.integers(1, 12), st.integers(1, 5))
def test_ranks_share_every_batch(size: int, batch_size: int, world: int) -> None:
    """The rows that count are those of the one process's batch, and their weighted means its mean."""
    draw = torch.randperm(100)[:size]
    whole = RoundBatches(0, size, batch_size, 2)
    parts = [RoundBatches(0, size, batch_size, 2, rank=rank, world=world) for rank in range(world)]
    for sampler in (whole, *parts):
        sampler.set_draw(3, draw)
    assert [len(part) for part in parts] == [len(whole)] * world
    for number, (batch, *shares) in enumerate(zip(whole, *parts, strict=True)):
        rows = [part.part(number) for part in parts]
        assert all(torch.equal(share, batch[part.places]) for share, part in zip(shares, rows, strict=True))
        counted = torch.cat([share[: part.rows] for share, part in zip(shares, rows, strict=True)])
        assert sorted(counted.tolist()) == sorted(batch.tolist())
        assert all(len(share) >= min(2, len(batch)) for share in shares)  # what batch normalisation needs
        means = [
            share[: part.rows].double().mean() * part.weight if part.rows else 0
            for share, part in zip(shares, rows, strict=True)
        ]
        assert abs(sum(means) / world - batch.double().mean()) < 1e-9
        only = whole.part(number)
        assert (only.whole, only.rows, only.weight) == (len(batch), len(batch), 1.0)


@given(st.integers(1, 50), st.integers(1, 12), st.integers(1, 5))
def test_ranks_share_the_test_set_without_overlap(size: int, batch_size: int, world: int) -> None:
    parts = [list(WholeSet(size, batch_size, rank, world)) for rank in range(world)]
    assert len({len(part) for part in parts}) == 1
    batches = [batch for part in parts for batch in part]
    assert sorted(torch.cat(batches).tolist()) == list(range(size))
    assert max(map(len, batches)) <= batch_size
