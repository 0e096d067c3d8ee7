"""Sources, images, the DataModule and its batches."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scarlet_pl.data import Dirichlet, FederatedDataModule, ImageTransform, RoundBatches, WholeSet
from scarlet_pl.data.images import bring_together
from scarlet_pl.data.sources import Source
from scarlet_pl.errors import ConfigError
from scarlet_pl.functional.partition import class_counts

from .conftest import examples


def test_digits_are_split_into_three_parts_that_share_nothing() -> None:
    data = FederatedDataModule(num_clients=7, public_size=400, seed=3).data
    assert data.image_shape == (1, 8, 8)
    assert data.num_classes == 10
    assert len(data.public) == 400
    assert len(data.train) + len(data.test) + 400 == 1797
    parts = [data.train.images, data.test.images, data.public]
    rows = [set(map(tuple, part.flatten(1).tolist())) for part in parts]
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]
    assert data.train_shards.shape == (7, len(data.train) // 7)
    assert data.train.images.dtype == data.public.dtype == torch.uint8


def test_the_seed_decides_the_data() -> None:
    first, again, other = (FederatedDataModule(seed=seed).data for seed in (1, 1, 2))
    assert torch.equal(first.public, again.public)
    assert torch.equal(first.train_shards, again.train_shards)
    assert not torch.equal(first.public, other.public)


def test_private_size() -> None:
    assert len(FederatedDataModule(private_size=100).data.train) == 100


def write_npz(path: Path, shape: tuple[int, ...], classes: int = 3, **more: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(0)
    arrays = {"x": draws.integers(0, 256, shape, np.uint8), "y": draws.integers(0, classes, shape[0])}
    np.savez(path, **{**arrays, **more})


def test_npz_of_other_size_and_colour_are_brought_together(tmp_path: Path) -> None:
    write_npz(tmp_path / "own/train.npz", (60, 12, 12, 3))
    write_npz(tmp_path / "own/test.npz", (30, 12, 12, 3))
    write_npz(tmp_path / "grey.npz", (50, 20, 16))
    module = FederatedDataModule("npz:own", "npz:grey.npz", str(tmp_path), num_clients=3, public_size=None)
    assert module.data.image_shape == (3, 12, 12)
    assert module.data.public.shape == (50, 3, 12, 12)
    assert torch.equal(module.data.public[:, 0], module.data.public[:, 2])
    images = ImageTransform(size=8, channels=1)
    small = FederatedDataModule("npz:own", "npz:grey.npz", str(tmp_path), 3, public_size=20, images=images).data
    assert small.image_shape == (1, 8, 8)
    assert small.train.images.shape[1:] == small.test.images.shape[1:] == (1, 8, 8)
    assert len(small.public) == 20


def test_one_npz_file_is_split(tmp_path: Path) -> None:
    write_npz(tmp_path / "all.npz", (100, 6, 6))
    data = FederatedDataModule("npz:all.npz", "npz:all.npz", str(tmp_path), 4, public_size=30).data
    assert (len(data.train), len(data.test), len(data.public)) == (50, 20, 30)


def test_public_npz_without_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "public.npz", x=np.zeros((40, 8, 8), np.uint8))
    assert len(FederatedDataModule("digits", "npz:public.npz", str(tmp_path), public_size=None).data.public) == 40


def test_imagefolder(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for kind in ("cat", "dog"):
            folder = tmp_path / "pets" / part / kind
            folder.mkdir(parents=True)
            for i in range(4):
                Image.fromarray(np.full((10 + i, 9, 3), 40 * i, np.uint8)).save(folder / f"{i}.png")
    module = FederatedDataModule(
        "imagefolder:pets", "digits", str(tmp_path), 2, public_size=9, images=ImageTransform(size=8)
    )
    data = module.data
    assert data.image_shape == (3, 8, 8)
    assert data.train.labels.tolist() == [0] * 4 + [1] * 4
    assert int(data.train.images[3].float().mean()) == 120
    with pytest.raises(ConfigError, match=r"data\.images\.size"):
        _ = FederatedDataModule("imagefolder:pets", "digits", str(tmp_path), 2).data


def write_idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


def test_emnist_is_turned_upright_and_counts_from_zero(tmp_path: Path) -> None:
    """On files of torchvision's layout, made here: a letter is stored mirrored at its diagonal."""
    letter = np.zeros((28, 28), np.uint8)
    letter[2, 3:20] = 255
    raw = tmp_path / "EMNIST/raw"
    for part, count in (("train", 26), ("test", 26)):
        write_idx(raw / f"emnist-letters-{part}-images-idx3-ubyte", np.repeat(letter.T[None], count, 0))
        write_idx(raw / f"emnist-letters-{part}-labels-idx1-ubyte", np.arange(1, count + 1, dtype=np.uint8))
    train, test = Source.parse("EMNIST", "data.private", root=tmp_path).load()
    assert test is not None
    assert torch.equal(train.images[0, 0], torch.from_numpy(letter))
    assert train.labels.min() == 0
    assert train.labels.max() == 25


def test_mnist_and_fashion(tmp_path: Path) -> None:
    for name in ("MNIST", "FashionMNIST"):
        for part, count in (("train", 20), ("t10k", 10)):
            images = np.full((count, 28, 28), count, np.uint8)
            write_idx(tmp_path / name / "raw" / f"{part}-images-idx3-ubyte", images)
            write_idx(tmp_path / name / "raw" / f"{part}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10)
    module = FederatedDataModule("mnist", "fashionmnist", str(tmp_path), 2, public_size=15)
    assert module.data.train.images.shape == (20, 1, 28, 28)
    assert len(module.data.public) == 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"private": "digit"}, r"data\.private: got 'digit', .*did you mean 'digits'"),
        ({"public_size": None}, r"data\.public: got 'digits', allowed: another source"),
        ({"public_size": 5000}, r"data\.public_size: got 5000, allowed: at most"),
        ({"public_size": 0}, r"data\.public_size: got 0"),
        ({"private_size": 5000}, r"data\.private_size: got 5000, allowed: at most"),
        ({"num_clients": 0}, r"data\.num_clients: got 0"),
        ({"num_clients": 600}, r"data\.num_clients: got 600, allowed: at most 359, the test samples"),
        ({"private": "npz"}, r"data\.private: got 'npz', allowed: npz:PATH"),
        ({"private": "npz:none.npz"}, r"data\.private: got 'npz:none.npz', allowed: a path that exists"),
        ({"private": "EMNIST:capital"}, r"data\.private: got 'EMNIST:capital', allowed: EMNIST:letters"),
    ],
)
def test_bad_settings(options: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        _ = FederatedDataModule(root=str(tmp_path), **options).data  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["truncated", "text", "no y", "float", "objects", "negative", "flat"])
def test_damaged_npz(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    write_npz(path, (30, 8, 8))
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:300])
    elif kind == "text":
        path.write_text("not a zip file")
    elif kind == "no y":
        np.savez(path, x=np.zeros((5, 8, 8), np.uint8))
    elif kind == "float":
        np.savez(path, x=np.zeros((5, 8, 8)), y=np.zeros(5, int))
    elif kind == "objects":
        np.savez(path, x=np.array([print, len], object), y=np.zeros(2, int))  # would be unpickled if allowed
    elif kind == "negative":
        np.savez(path, x=np.zeros((5, 8, 8), np.uint8), y=np.array([0, 1, -1, 0, 1]))
    else:
        np.savez(path, x=np.zeros((5, 64), np.uint8), y=np.zeros(5, int))
    with pytest.raises(ConfigError, match=r"data\.private: got .*d\.npz"):
        _ = FederatedDataModule("npz:d.npz", "digits", str(tmp_path), 2).data


def test_transform_normalises_and_augments_only_on_request() -> None:
    images = torch.arange(0, 250, dtype=torch.uint8)[: 2 * 3 * 16].view(2, 3, 4, 4)
    transform = ImageTransform(mean=0.5, std=0.25, flip=True, crop_padding=2)
    plain = transform(images)
    assert torch.allclose(plain, (images.float() / 255 - 0.5) / 0.25)
    assert torch.equal(images, torch.arange(0, 96, dtype=torch.uint8).view(2, 3, 4, 4))
    draws = [transform(images, transform.draw(2, torch.Generator().manual_seed(seed))) for seed in (0, 0, 1)]
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
        out = transform(image, transform.draw(1, torch.Generator().manual_seed(seed)))
        seen.add(tuple(out.round().int().flatten().tolist()))
    assert seen == possible


def test_bring_together_grey_and_colour() -> None:
    grey = torch.randint(0, 255, (3, 1, 6, 6), dtype=torch.uint8)
    assert bring_together(grey, 1, (6, 6)) is grey
    colour = bring_together(grey, 3, (6, 6))
    assert torch.equal(colour, grey.expand(-1, 3, -1, -1))
    assert (bring_together(colour, 1, (6, 6)).int() - grey.int()).abs().max() <= 1


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


def test_the_partition_is_configurable() -> None:
    even = FederatedDataModule(partition=Dirichlet(1000)).data
    skewed = FederatedDataModule(partition=Dirichlet(0.01)).data
    tops = [float(class_counts(d.train.labels, d.train_shards, 10).max()) for d in (even, skewed)]
    assert tops[1] > 2 * tops[0]
