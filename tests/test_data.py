"""Sources of data, and the DataModule that splits them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scarlet_pl.data import Dirichlet, FederatedDataModule, ImageTransform, LabelledSamples
from scarlet_pl.data.sources import named
from scarlet_pl.errors import ConfigError


def test_digits_are_split_into_three_parts_that_share_nothing() -> None:
    data = FederatedDataModule(num_clients=7, public_size=400, seed=3).data
    assert data.public.shapes == {"image": (1, 8, 8)}
    assert data.num_classes == 10
    assert len(data.public) == 400
    assert len(data.train) + len(data.test) + 400 == 1797
    parts = [part.fields["image"] for part in (data.train, data.test, data.public)]
    rows = [set(map(tuple, part.flatten(1).tolist())) for part in parts]
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]
    assert data.train_shards.sizes.tolist() == [len(data.train) // 7] * 7
    assert {part.dtype for part in parts} == {torch.uint8}


def test_the_seed_decides_the_data() -> None:
    first, again, other = (FederatedDataModule(seed=seed).data for seed in (1, 1, 2))
    assert torch.equal(first.public.fields["image"], again.public.fields["image"])
    assert torch.equal(first.train_shards.rows, again.train_shards.rows)
    assert not torch.equal(first.public.fields["image"], other.public.fields["image"])


def test_what_a_source_does_not_ask_for_makes_no_other_source() -> None:
    assert len(FederatedDataModule("digits", "digits:again").data.train) == 1797 - 359 - 500


def test_private_size() -> None:
    assert len(FederatedDataModule(private_size=100).data.train) == 100


def test_validation_samples_are_training_samples_that_nobody_trains_on(tmp_path: Path) -> None:
    """Every image has its number as its pixels: 0 to 99 are training, 100 to 119 test images."""
    (tmp_path / "own").mkdir()
    for part, numbers in (("train", np.arange(100)), ("test", np.arange(100, 120))):
        images = np.repeat(numbers, 64).reshape(-1, 8, 8).astype(np.uint8)
        np.savez(tmp_path / f"own/{part}.npz", x=images, y=numbers % 3)
    options: dict[str, Any] = {"private": "npz:own", "public": "npz:own", "root": str(tmp_path), "public_size": 30}

    def numbers(share: float | None, seed: int = 0) -> list[set[int]]:
        data = FederatedDataModule(**options, num_clients=2, validation_share=share, seed=seed).data
        return [set(part.fields["image"][:, 0, 0, 0].tolist()) for part in (data.train, data.test, data.public)]

    train, test, public = numbers(None)
    assert (len(train), test, len(public)) == (70, set(range(100, 120)), 30)
    less, validation, same = numbers(0.29)
    assert (len(validation), less | validation, less & validation, same) == (20, train, set(), public)  # ⌊0.29 · 70⌋
    assert numbers(0.29) == [less, validation, same] != numbers(0.29, seed=1)


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
    assert module.data.network_facts == {"num_classes": 3, "in_channels": 3, "image_size": (12, 12)}
    assert module.data.public.fields["image"].shape == (50, 3, 12, 12)
    assert torch.equal(*module.data.public.fields["image"][:, [0, 2]].unbind(1))
    images = ImageTransform(size=8, channels=1)
    small = FederatedDataModule("npz:own", "npz:grey.npz", str(tmp_path), 3, public_size=20, transform=images).data
    assert small.public.shapes["image"] == (1, 8, 8)
    assert small.train.shapes == small.test.shapes == small.public.shapes
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
        "imagefolder:pets", "digits", str(tmp_path), 2, public_size=9, transform=ImageTransform(size=8)
    )
    data = module.data
    assert data.public.shapes["image"] == (3, 8, 8)
    assert data.train.labels.tolist() == [0] * 4 + [1] * 4
    assert int(data.train.fields["image"][3].float().mean()) == 120
    with pytest.raises(ConfigError, match=r"data\.transform\.size"):
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
    train, test = named("EMNIST", "data.private", root=tmp_path).load()
    assert test is not None
    assert isinstance(train, LabelledSamples)
    assert torch.equal(train.fields["image"][0, 0], torch.from_numpy(letter))
    assert train.labels.min() == 0
    assert train.labels.max() == 25


def test_mnist_and_fashion(tmp_path: Path) -> None:
    for name in ("MNIST", "FashionMNIST"):
        for part, count in (("train", 20), ("t10k", 10)):
            images = np.full((count, 28, 28), count, np.uint8)
            write_idx(tmp_path / name / "raw" / f"{part}-images-idx3-ubyte", images)
            write_idx(tmp_path / name / "raw" / f"{part}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10)
    module = FederatedDataModule("mnist", "fashionmnist", str(tmp_path), 2, public_size=15)
    assert module.data.train.fields["image"].shape == (20, 1, 28, 28)
    assert len(module.data.public) == 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"private": "digit"}, r"data\.private: got 'digit', .*did you mean 'digits'"),
        ({"public_size": None}, r"data\.public: got 'digits', allowed: another source"),
        ({"public_size": 5000}, r"data\.public_size: got 5000, allowed: at most"),
        ({"public_size": 0}, r"data\.public_size: got 0"),
        ({"private_size": 5000}, r"data\.private_size: got 5000, allowed: at most"),
        ({"validation_share": 1.0}, r"data\.validation_share: got 1.0, allowed: a number in \(0, 1\), or null"),
        ({"validation_share": 0.1, "own": True, "num_classes": 10}, r"data\.validation_share: got 0.1, allowed: null"),
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


@pytest.mark.parametrize("kind", ["npz", "text"])
def test_a_public_set_is_neither_test_nor_training_data(kind: str, tmp_path: Path) -> None:
    """Whether a folder is named, or a file in it."""
    suffix = "npz" if kind == "npz" else "csv"
    (tmp_path / "own").mkdir()
    for part in ("train", "test"):
        path = tmp_path / f"own/{part}.{suffix}"
        if kind == "npz":
            write_npz(path, (60, 8, 8))
        else:
            path.write_text("text,label\n" + "".join(f"{part} {row},{row % 3}\n" for row in range(60)))
    own, train, test = f"{kind}:own", f"{kind}:own/train.{suffix}", f"{kind}:own/test.{suffix}"
    with pytest.raises(ConfigError, match=r"data\.public: got .*test\..*, allowed: another source than the test part"):
        FederatedDataModule(own, test, str(tmp_path), 2)
    with pytest.raises(ConfigError, match=r"data\.public: got .*, allowed: another source than data\.private, or"):
        FederatedDataModule(own, train, str(tmp_path), 2, public_size=None)
    FederatedDataModule(test, train, str(tmp_path), 2)


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


def test_the_partition_is_configurable() -> None:
    even = FederatedDataModule(partition=Dirichlet(1000)).data
    skewed = FederatedDataModule(partition=Dirichlet(0.01)).data
    tops = [float(d.train_shards.class_counts(d.train.labels, 10).max()) for d in (even, skewed)]
    assert tops[1] > 2 * tops[0]
