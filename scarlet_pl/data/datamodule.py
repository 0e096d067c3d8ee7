"""The DataModule: private shards for every client, a public set without labels, the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from scarlet_pl import rng
from scarlet_pl.data.federated import FederatedData
from scarlet_pl.data.partitions import Dirichlet, LabelledPool, Partition
from scarlet_pl.data.sampler import SampleBatches, WholeSet
from scarlet_pl.data.samples import FORWARD_BATCH, Batch, LabelledSamples, Samples, Split
from scarlet_pl.data.shifts import Shift
from scarlet_pl.data.sources import Source, labelled, named
from scarlet_pl.data.transforms import ImageTransform, Transform
from scarlet_pl.errors import ConfigError, require
from scarlet_pl.functional.shares import whole


class FederatedDataModule(LightningDataModule):
    """Everything the federation sees.

    Args:
        private: source of the clients' data, by name (`digits`, `CIFAR10`, …), with an argument (`npz:PATH`, …), or a
            source of your own. A source that brings no test set has a fifth of its samples held out as one.
        public: source of the public set; its labels are thrown away as soon as it is read. The same source as
            `private` is allowed with a `public_size`: so many samples are then held out of the training data.
        root: folder of the data sets' files.
        num_clients: number of clients.
        partition: how the private samples are dealt out.
        public_size: public samples, a random subset of the source's; all of them when null.
        private_size: private training samples, a random subset; all of them when null.
        validation_share: of the training samples, in (0, 1), that take the place of the test set, at random: to choose
            settings by. The test set is then not looked at; null tests on it.
        transform: what is done to samples: `ImageTransform` to images, `Transform` leaves them as they are (token ids).
        shift: what makes each client's own samples differ from the others' in what they look like; null: nothing.
        own: whether clients are on other machines, which have samples of their own: there `private` is what the
            clients of that machine have, at the server the test set alone.
        num_classes: counted in `private` when null; to be given where `own` is true.
        seed: decides subsets and shards.
    """

    def __init__(
        self,
        private: str | Source = "digits",
        public: str | Source = "digits",
        root: str = "data",
        num_clients: int = 10,
        partition: Partition = Dirichlet(alpha=0.3),  # noqa: B008 (frozen)
        public_size: int | None = 500,
        private_size: int | None = None,
        validation_share: float | None = None,
        transform: Transform = ImageTransform(),  # noqa: B008 (frozen)
        shift: Shift | None = None,
        own: bool = False,
        num_classes: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        require(num_clients >= 1, "data.num_clients", num_clients, "an integer >= 1")
        for name, size in (("public_size", public_size), ("private_size", private_size)):
            require(size is None or size >= 1, f"data.{name}", size, "an integer >= 1, or null")
        share = self.validation_share = validation_share
        require(share is None or 0 < share < 1, "data.validation_share", share, "a number in (0, 1), or null")
        require(share is None or not own, "data.validation_share", share, "null where data.own is true")
        self.num_clients, self.partition, self.seed = num_clients, partition, seed
        self.public_size, self.private_size = public_size, private_size
        size = transform.size if isinstance(transform, ImageTransform) else None
        shared = {"root": Path(root), "image_size": size}
        self.private = named(private, "data.private", **shared) if isinstance(private, str) else private
        self.public = named(public, "data.public", public=True, **shared) if isinstance(public, str) else public
        self.transform, self.shift, self.own, self.num_classes = transform, shift, own, num_classes
        require(num_classes is None or num_classes >= 2, "data.num_classes", num_classes, "an integer >= 2, or null")
        require(not own or num_classes is not None, "data.num_classes", None, "an integer >= 2, where data.own is true")
        self.owners: Sequence[int] = range(num_clients)
        # whether the public set is held out of the private data: asked before a source has loaded anything
        self._same = self.public.identity == self.private.identity
        if self._same and (public_size is None or own):
            allowed = "another source than data.private, or a data.public_size to hold out of it"
            raise ConfigError("data.public", str(self.public), allowed)
        tested = self.private.held_out is not None and self.public.identity == self.private.held_out
        require(not tested, "data.public", str(self.public), "another source than the test part of data.private")
        self._data: FederatedData | None = None

    @property
    def facts(self) -> tuple[int, int, dict[str, Any]]:
        """(classes, public samples, what networks are made with), without reading a data set that is always the
        same."""
        known = self.private.facts
        public = self.public.facts.samples if self.public_size is None else self.public_size
        return known.classes, public, self._network_facts(known.classes, known.shapes)

    @property
    def data(self) -> FederatedData:
        """The data; read at the first call."""
        if self._data is None:
            self._data = self._load()
        return self._data

    def setup(self, stage: str) -> None:
        _ = self.data

    def train_dataloader(self) -> DataLoader[tuple[Batch, Tensor]]:
        """The public set in the batches that the server asks for: an epoch is the server's distillation."""
        loader: DataLoader[tuple[Batch, Tensor]] = self.trainer.lightning_module.training_loader()  # type: ignore
        return loader

    def val_dataloader(self) -> DataLoader[tuple[Batch, Tensor]]:
        """The whole test set, unshifted: what `server/accuracy` is measured on."""
        test = self.data.server_test
        ranks = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        batches = WholeSet(len(test), FORWARD_BATCH, *ranks)
        return DataLoader(
            SampleBatches(test, test.labels), batch_size=None, sampler=batches, generator=torch.Generator()
        )

    def test_dataloader(self) -> DataLoader[tuple[Batch, Tensor]]:
        """The same whole test set."""
        return self.val_dataloader()

    def _load(self) -> FederatedData:
        train, test = self._private() if self.owners else self._test_alone()
        found = 1 + max((int(part.labels.max()) for part in (train, test) if len(part)), default=0)
        classes = found if self.num_classes is None else self.num_classes
        require(classes >= 2, "data.private", str(self.private), "at least two classes")
        require(found <= classes, "data.num_classes", classes, f"at least {found}, the classes of {self.private}")
        train, public = self._public(train)
        if self.validation_share is not None:
            train, test = _part_off(train, self.validation_share, rng.generator(self.seed, "validation"))
        if self.private_size is not None and len(self.owners):
            self._at_most("data.private_size", self.private_size, len(train))
            train = train.select(_subset(len(train), self.private_size, rng.generator(self.seed, "private")))
        for part, name in ((train, "training"), (test, "test")):
            self._at_most("data.num_clients", len(self.owners), len(part), f"{name} samples")
        facts = self._network_facts(classes, train.shapes)
        shards = self._split(train, test, classes)
        *private, public = self.transform.bring_together([train, test, public])
        own = self._shifted(private, shards)
        return FederatedData(
            train=LabelledSamples.of(own[0], train.labels),
            test=LabelledSamples.of(own[1], test.labels),
            unshifted_test=None if self.shift is None else LabelledSamples.of(private[1], test.labels),
            public=public,
            train_shards=shards[0],
            test_shards=shards[1],
            num_classes=classes,
            transform=self.transform,
            network_facts=facts,
        )

    def _network_facts(self, classes: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
        return {"num_classes": classes, **self.transform.facts(shapes), **self.private.network_facts}

    def _split(self, train: LabelledSamples, test: LabelledSamples, classes: int) -> tuple[Split, Split]:
        owners = len(self.owners)
        if not owners:
            nobody = Split.of_sizes(torch.zeros(0, dtype=torch.int64), torch.zeros(self.num_clients, dtype=torch.int64))
            return nobody, nobody
        pools = [LabelledPool(part.labels, owners, classes) for part in (train, test)]
        shards = self.partition.split(pools[0], pools[1], self.seed)
        for split, name in zip(shards, ("training", "test"), strict=True):
            least, kind = int(split.sizes.min()), type(self.partition).__name__
            allowed = f"a split that gives each of {owners} clients a {name} sample"
            require(len(split) == owners and least >= 1, "data.partition", kind, allowed)
        return shards[0].spread(self.owners, self.num_clients), shards[1].spread(self.owners, self.num_clients)

    def _shifted(self, parts: list[Samples], shards: tuple[Split, Split]) -> list[Samples]:
        """The training and the test samples as their owners have them."""
        if self.shift is None:
            return parts
        draws = rng.generator(self.seed, "noise")
        owners = [split.owners(len(part)) for part, split in zip(parts, shards, strict=True)]
        return [self.shift(part, whose, self.seed, draws) for part, whose in zip(parts, owners, strict=True)]

    def _private(self) -> tuple[LabelledSamples, LabelledSamples]:
        whole, tests = self.private.load()
        train, test = labelled(whole, self.private), None if tests is None else labelled(tests, self.private)
        if test is None:
            require(
                len(train) >= 2, "data.private", str(self.private), "at least two samples, of which one is held out"
            )
            train, test = _part_off(train, 0.2, rng.generator(self.seed, "test"))
        return train, test

    def _test_alone(self) -> tuple[LabelledSamples, LabelledSamples]:
        """No training samples, and as test samples those of the source that are, or else all."""
        whole, tests = self.private.load()
        test = labelled(whole if tests is None else tests, self.private)
        return test.select(torch.zeros(0, dtype=torch.int64)), test

    def _public(self, train: LabelledSamples) -> tuple[LabelledSamples, Samples]:
        """The private training data that is left, and the public samples, without labels."""
        draws = rng.generator(self.seed, "public")
        if not self._same:
            public = Samples(self.public.load()[0].fields)
            if self.public_size is None:
                return train, public
            self._at_most("data.public_size", self.public_size, len(public))
            return train, public.select(_subset(len(public), self.public_size, draws))
        size = self.public_size or 0
        self._at_most("data.public_size", size, len(train) - 1)
        order = torch.randperm(len(train), generator=draws)
        return train.select(order[size:].sort().values), Samples(train.batch(order[:size].sort().values))

    @staticmethod
    def _at_most(field: str, value: int, most: int, what: str = "samples in the source") -> None:
        require(value <= most, field, value, f"at most {most}, the {what}")


def _part_off(
    samples: LabelledSamples, share: float, draws: torch.Generator
) -> tuple[LabelledSamples, LabelledSamples]:
    """Without a random share of the samples, and that share: at least one."""
    held_out = max(1, whole(share, len(samples)))
    order = torch.randperm(len(samples), generator=draws)
    return samples.select(order[held_out:].sort().values), samples.select(order[:held_out].sort().values)


def _subset(of: int, size: int, draws: torch.Generator) -> Tensor:
    return torch.randperm(of, generator=draws)[:size].sort().values
