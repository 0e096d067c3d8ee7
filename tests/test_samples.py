"""Samples of any fields, splits of any sizes, sources of a user's own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn
from torch.optim import SGD

from scarlet_pl.client import ClientConfig
from scarlet_pl.data import (
    ClassDirichlet,
    FederatedDataModule,
    ImageTransform,
    LabelledPool,
    LabelledSamples,
    Partition,
    Samples,
    Source,
    Split,
    Transform,
)
from scarlet_pl.errors import ConfigError
from scarlet_pl.executors import Serial
from scarlet_pl.federation import Federation
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.methods import Distillation, FedAvg, UniformDraw
from scarlet_pl.server import ServerConfig, ServerModule

from .test_data import write_idx


class Sequences(Source):
    """Sequences of token ids whose most frequent id says the class."""

    def __init__(self, count: int, length: int = 6, labelled: bool = True) -> None:
        self.count, self.length, self.labelled = count, length, labelled
        self.network_facts = {"vocabulary": 3}

    def load(self) -> tuple[Samples, None]:
        draws = torch.Generator().manual_seed(0)
        labels = torch.randint(0, 3, (self.count,), generator=draws)
        ids = torch.where(torch.rand(self.count, self.length, generator=draws) < 0.7, labels[:, None], 0)
        samples = Samples({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
        return (LabelledSamples.of(samples, labels) if self.labelled else samples), None


class Bag(nn.Module):
    """A network of two fields, called by their names."""

    def __init__(self, num_classes: int, vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, num_classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        found: Tensor = (self.words(input_ids) * attention_mask[..., None]).mean(1)
        return found


class Uneven(Partition):
    """Client k gets k + 1 parts of the data."""

    def split(self, train: LabelledPool, test: LabelledPool, seed: int) -> tuple[Split, Split]:
        splits = []
        for pool in (train, test):
            sizes = torch.arange(1, pool.clients + 1) * (len(pool.labels) // (pool.clients * (pool.clients + 1) // 2))
            splits.append(Split.of_sizes(torch.arange(int(sizes.sum())), sizes))
        return splits[0], splits[1]


def sequences(**options: object) -> FederatedDataModule:
    settings = {"private": Sequences(200), "public": Sequences(200), "public_size": 50, "num_clients": 3}
    return FederatedDataModule(**{**settings, "transform": Transform(), "partition": Uneven(), **options})  # type: ignore


@pytest.mark.parametrize("method", [Distillation(draw=UniformDraw(20)), FedAvg()])
def test_token_ids_and_clients_of_different_sizes_are_learnt(method: Distillation | FedAvg) -> None:
    module = sequences()
    bag, sgd = {"name": "tests.test_samples.Bag"}, partial(SGD, lr=1.0)
    client = ClientConfig([bag], optimizer=sgd, epochs=2, distillation_epochs=1)
    federation = Federation(module.data, client, method, Serial(), 0)
    server = ServerModule(ServerConfig(bag, optimizer=sgd), module.data, method.server_work, 0)
    trainer = FederatedTrainer(federation, 6, accelerator="cpu")
    trainer.fit(server, module)
    assert module.data.train_shards.sizes.tolist() == [18, 36, 54]
    assert module.data.test_shards.sizes.tolist() == [6, 12, 18]
    assert float(trainer.callback_metrics["server/accuracy"]) > 0.6


def test_the_same_source_twice_is_held_out_and_another_is_not() -> None:
    assert len(sequences().data.train) == 200 - 40 - 50
    other = sequences(public=Sequences(70, labelled=False), public_size=None).data
    assert (len(other.train), len(other.public)) == (160, 70)
    assert not isinstance(other.public, LabelledSamples)


class Remembering(Sequences):
    """Keeps what it has read."""

    kept: tuple[Samples, None] | None = None

    def load(self) -> tuple[Samples, None]:
        self.kept = self.kept or super().load()
        return self.kept


def test_public_samples_are_never_private_ones_though_a_source_remembers() -> None:
    data = sequences(private=Remembering(200), public=Remembering(200)).data
    assert len(data.train) == 200 - 40 - 50


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transform": ImageTransform(flip=True)}, r"data\.transform: got 'ImageTransform', allowed: .* input_ids \(6"),
        ({"public": "digits"}, r"data\.public: got .*image.*, allowed: samples like the private ones, .*input_ids"),
        ({"public": Sequences(60, length=7)}, r"data\.public: got .*7.*, allowed: samples like the private ones"),
        ({"private": Sequences(60, labelled=False)}, r"data\.private: got 'Sequences', allowed: a source with labels"),
        ({"num_clients": 30}, r"data\.partition: got 'Uneven', allowed: a split that gives each of 30 clients"),
        (
            {"partition": ClassDirichlet(least=60)},
            r"data\.partition\.least: got 60, allowed: at most 36, 110 samples for",
        ),
    ],
)
def test_data_that_do_not_fit(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _ = sequences(**options).data


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(0, 100))
def test_a_split_gives_each_client_its_rows(sizes: list[int], seed: int) -> None:
    rows = torch.randperm(sum(sizes), generator=torch.Generator().manual_seed(seed))
    split, labels = Split.of_sizes(rows, torch.tensor(sizes)), torch.arange(sum(sizes)) % 3
    parts = [split[client] for client in range(len(split))]
    assert list(map(len, parts)) == sizes == split.sizes.tolist()
    assert torch.equal(torch.cat(parts), rows)
    counts = split.class_counts(labels, 3)
    assert counts.tolist() == [[int((labels[part] == kind).sum()) for kind in range(3)] for part in parts]
    with pytest.raises(IndexError):
        _ = split[len(sizes)]


@pytest.mark.parametrize("alpha", [0.3, 1.0, 100.0])
def test_class_dirichlet_deals_out_all_samples_unevenly(alpha: float) -> None:
    train, test = (LabelledPool(torch.arange(size) % 10, 20, 10) for size in (5000, 1000))
    splits = ClassDirichlet(alpha).split(train, test, 1)
    for split, pool in zip(splits, (train, test), strict=True):
        assert sorted(split.rows.tolist()) == list(range(len(pool.labels)))
    assert int(splits[0].sizes.min()) >= 10
    own, other = (
        split.class_counts(pool.labels, 10) / pool.supply for split, pool in zip(splits, (train, test), strict=True)
    )
    assert float((own - other).abs().max()) <= 0.02
    spread = float(splits[0].sizes.double().std())
    assert spread > 40 if alpha == 0.3 else spread < 20 if alpha == 100 else spread > 20


def test_samples_have_one_length() -> None:
    with pytest.raises(ValueError, match="fields of samples must have one length"):
        Samples({"a": torch.zeros(2), "b": torch.zeros(3)})
    with pytest.raises(ValueError, match="2 samples with labels of shape"):
        LabelledSamples({"a": torch.zeros(2)}, torch.zeros(3))


def test_mean_and_deviation_of_each_channel() -> None:
    images = torch.full((2, 3, 4, 4), 51, dtype=torch.uint8)
    out = ImageTransform(mean=[0.1, 0.2, 0.3], std=[0.1, 0.2, 0.5])({"image": images})["image"]
    assert out[0, :, 0, 0].tolist() == pytest.approx([1.0, 0.0, -0.2], abs=1e-6)
    with pytest.raises(ConfigError, match=r"data\.transform\.mean: got \[0\.1, 0\.2\], allowed: a number, or one for"):
        ImageTransform(mean=[0.1, 0.2]).facts({"image": (3, 4, 4)})


def picture(path: Path, size: tuple[int, int], shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), shade, np.uint8)).save(path)


def test_a_flat_folder_of_pictures_is_a_public_set(tmp_path: Path) -> None:
    for number in range(5):
        picture(tmp_path / "flat" / ("more" if number > 2 else ".") / f"{number}.png", (9, 12 + number), 40 * number)
    (tmp_path / "flat" / "readme.txt").write_text("no picture")
    module = FederatedDataModule(
        "digits", "imagefolder:flat", str(tmp_path), 2, public_size=None, transform=ImageTransform(size=8, channels=1)
    )
    public = module.data.public.fields["image"]
    assert public.float().mean((1, 2, 3)).tolist() == [0, 40, 80, 120, 160]
    with pytest.raises(ConfigError, match=r"data\.private: got .*flat"):
        _ = FederatedDataModule("imagefolder:flat", root=str(tmp_path), transform=ImageTransform(size=8)).data


@pytest.mark.parametrize("name", ["Caltech256", "Caltech101"])
def test_caltech_is_read_in_the_size_that_is_asked_for(name: str, tmp_path: Path) -> None:
    """On files of torchvision's layout, made here."""
    for kind, folder in enumerate(("001.ak47", "002.flag")):
        for number in range(1, 4):
            file = f"{kind + 1:03d}_{number:04d}.jpg" if name == "Caltech256" else f"image_{number:04d}.jpg"
            place = tmp_path / name.lower() / f"{name[7:]}_ObjectCategories" / folder
            picture(place / file, (10 + number, 20), 100 * kind)
    for folder in ("101_ObjectCategories/BACKGROUND_Google", "Annotations"):
        (tmp_path / "caltech101" / folder).mkdir(parents=True, exist_ok=True)
    transform = ImageTransform(size=8)
    module = FederatedDataModule(name, name.lower(), str(tmp_path), 1, public_size=2, transform=transform)
    assert module.data.train.shapes == {"image": (3, 8, 8)}
    labels = module.data.train.labels.tolist() + module.data.test.labels.tolist()
    assert set(labels) <= {0, 1}
    assert len(labels) == 4
    with pytest.raises(ConfigError, match=r"data\.transform\.size: got None, allowed: ImageTransform with a size"):
        _ = FederatedDataModule(name, "digits", str(tmp_path)).data


def test_kmnist(tmp_path: Path) -> None:
    for part, count in (("train", 20), ("t10k", 10)):
        raw = tmp_path / "KMNIST" / "raw"
        write_idx(raw / f"{part}-images-idx3-ubyte", np.full((count, 28, 28), count, np.uint8))
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10)
    module = FederatedDataModule("kmnist", "digits", str(tmp_path), 2, public_size=15)
    assert module.data.train.shapes == module.data.public.shapes == {"image": (1, 28, 28)}
