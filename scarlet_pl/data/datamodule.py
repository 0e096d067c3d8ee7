"""The DataModule: private shards for every client, a public set without labels, the test set."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from scarlet_pl import rng
from scarlet_pl.data.files import memory
from scarlet_pl.data.images import FederatedData, ImageSet, ImageTransform, bring_together
from scarlet_pl.data.partitions import Dirichlet, LabelledPool, Partition
from scarlet_pl.data.sampler import TensorBatches, WholeSet
from scarlet_pl.data.sources import Source
from scarlet_pl.errors import ConfigError, require

_EVAL_BATCH = 1000


class FederatedDataModule(LightningDataModule):
    """Everything the federation sees.

    Args:
        private: source of the clients' data, `name` or `name:argument` (see `scarlet_pl.data.sources`). A source
            that brings no test set has a fifth of its samples held out as one.
        public: source of the public set; its labels are thrown away as soon as it is read. The same source as
            `private` is allowed with a `public_size`: so many samples are then held out of the training data.
        root: folder of the data sets' files.
        num_clients: number of clients.
        partition: how the private samples are dealt out.
        public_size: public samples, a random subset of the source's; all of them when null.
        private_size: private training samples, a random subset; all of them when null.
        images: size, normalisation and augmentation.
        seed: decides subsets and shards.
    """

    def __init__(
        self,
        private: str = "digits",
        public: str = "digits",
        root: str = "data",
        num_clients: int = 10,
        partition: Partition = Dirichlet(alpha=0.3),  # noqa: B008 (frozen)
        public_size: int | None = 500,
        private_size: int | None = None,
        images: ImageTransform = ImageTransform(),  # noqa: B008 (frozen)
        seed: int = 0,
    ) -> None:
        super().__init__()
        require(num_clients >= 1, "data.num_clients", num_clients, "an integer >= 1")
        for name, size in (("public_size", public_size), ("private_size", private_size)):
            require(size is None or size >= 1, f"data.{name}", size, "an integer >= 1, or null")
        self.num_clients, self.partition, self.seed = num_clients, partition, seed
        self.public_size, self.private_size, self.images = public_size, private_size, images
        shared = {"root": Path(root), "image_size": images.size}
        self.private = Source.parse(private, "data.private", **shared)
        self.public = Source.parse(public, "data.public", public=True, **shared)
        if self.public.same_data(self.private) and public_size is None:
            allowed = "another source than data.private, or a data.public_size to hold out of it"
            raise ConfigError("data.public", public, allowed)
        self._data: FederatedData | None = None

    @property
    def facts(self) -> tuple[int, int, tuple[int, int, int]]:
        """(classes, public samples, image shape), without reading a data set that is always the same."""
        classes, _, (channels, height, width) = self.private.facts
        public = self.public.facts[1] if self.public_size is None else self.public_size
        size = self.images.size
        return classes, public, (self.images.channels or channels, size or height, size or width)

    @property
    def data(self) -> FederatedData:
        """The data; read at the first call."""
        if self._data is None:
            self._data = self._load()
        return self._data

    def setup(self, stage: str) -> None:
        _ = self.data

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """The public set in the batches that the server asks for: an epoch is the server's distillation."""
        loader: DataLoader[tuple[Tensor, ...]] = self.trainer.lightning_module.training_loader()  # type: ignore
        return loader

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """The whole test set: what `server/accuracy` is measured on."""
        test = self.data.test
        ranks = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        batches = WholeSet(len(test), _EVAL_BATCH, *ranks)
        dataset = TensorBatches(test.images, test.labels)
        return DataLoader(dataset, batch_size=None, sampler=batches, generator=torch.Generator())

    def test_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """The same whole test set."""
        return self.val_dataloader()

    def _load(self) -> FederatedData:
        train, test = self._private()
        classes = 1 + int(max(train.labels.max(), test.labels.max()))
        require(classes >= 2, "data.private", self._named, "at least two classes")
        train, public = self._public(train)
        if self.private_size is not None:
            self._at_most("data.private_size", self.private_size, len(train))
            train = train.select(_subset(len(train), self.private_size, rng.generator(self.seed, "private")))
        for part, name in ((train, "training"), (test, "test")):
            self._at_most("data.num_clients", self.num_clients, len(part), f"{name} samples")
        pools = [LabelledPool(part.labels, self.num_clients, classes) for part in (train, test)]
        shards = self.partition.split(pools[0], pools[1], self.seed)
        channels = self.images.channels or train.images.shape[1]
        height, width = train.images.shape[-2:]
        size = (self.images.size or height, self.images.size or width)
        ok, most = self.images.crop_padding <= max(size), max(size)
        require(ok, "data.images.crop_padding", self.images.crop_padding, f"at most {most}, the size of the images")
        count = len(train) + len(test) + len(public)
        fits = count * channels * size[0] * size[1] <= memory()
        require(fits, "data.images.size", size[0], f"a size at which {count} images fit in memory")
        return FederatedData(
            train=ImageSet(bring_together(train.images, channels, size), train.labels),
            test=ImageSet(bring_together(test.images, channels, size), test.labels),
            public=bring_together(public, channels, size),
            train_shards=shards[0],
            test_shards=shards[1],
            num_classes=classes,
            transform=self.images,
        )

    @property
    def _named(self) -> str:
        return f"{self.private.name}:{self.private.argument}" if self.private.argument else self.private.name

    def _private(self) -> tuple[ImageSet, ImageSet]:
        train, test = self.private.load()
        if test is None:
            require(len(train) >= 2, "data.private", self._named, "at least two samples, of which one is held out")
            held_out = max(1, len(train) // 5)
            order = torch.randperm(len(train), generator=rng.generator(self.seed, "test"))
            train, test = (
                train.select(order[held_out:].sort().values),
                train.select(order[:held_out].sort().values),
            )
        return train, test

    def _public(self, train: ImageSet) -> tuple[ImageSet, Tensor]:
        """The private training data that is left, and the public images."""
        draws = rng.generator(self.seed, "public")
        if not self.public.same_data(self.private):
            images = self.public.load()[0].images
            if self.public_size is None:
                return train, images
            self._at_most("data.public_size", self.public_size, len(images))
            return train, images[_subset(len(images), self.public_size, draws)]
        size = self.public_size or 0
        self._at_most("data.public_size", size, len(train) - 1)
        order = torch.randperm(len(train), generator=draws)
        return train.select(order[size:].sort().values), train.images[order[:size].sort().values]

    @staticmethod
    def _at_most(field: str, value: int, most: int, what: str = "samples in the source") -> None:
        require(value <= most, field, value, f"at most {most}, the {what}")


def _subset(of: int, size: int, draws: torch.Generator) -> Tensor:
    return torch.randperm(of, generator=draws)[:size].sort().values
