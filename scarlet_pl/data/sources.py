"""Data sets by name.

A source is written `name` or `name:argument`, the name in any case:

    digits                scikit-learn's 1,797 real 8 × 8 digits, no download
    CIFAR10, CIFAR100, MNIST, FashionMNIST, SVHN
    EMNIST:split          letters (the default), balanced, byclass, bymerge, digits, mnist
    STL10                 its labelled images; as a public set its 100,000 unlabelled ones
    npz:path              arrays x uint8 (n, H, W) or (n, H, W, C) and y int; path is a file, or a folder that
                          holds train.npz and test.npz
    imagefolder:path      a folder of class folders of pictures, or one with train/ and test/ of that kind

Paths are relative to `data.root`.
"""

from __future__ import annotations

import difflib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scarlet_pl.data.files import class_folders, read_imagefolder, read_npz
from scarlet_pl.data.images import ImageSet
from scarlet_pl.errors import ConfigError

Splits = tuple[ImageSet, ImageSet | None]
"""The training and the test part; None where the source has one part only."""

_FOLDERS = {
    "CIFAR10": "cifar-10-batches-py",
    "CIFAR100": "cifar-100-python",
    "MNIST": "MNIST/raw",
    "EMNIST": "EMNIST/raw",
    "FashionMNIST": "FashionMNIST/raw",
    "STL10": "stl10_binary",
    "SVHN": ".",
}
"""Where torchvision looks for a data set's files, under the root."""

_FACTS: dict[str, tuple[int, int, tuple[int, int, int]]] = {
    "digits": (10, 1797, (1, 8, 8)),
    "CIFAR10": (10, 50_000, (3, 32, 32)),
    "CIFAR100": (100, 50_000, (3, 32, 32)),
    "MNIST": (10, 60_000, (1, 28, 28)),
    "EMNIST": (26, 124_800, (1, 28, 28)),
    "FashionMNIST": (10, 60_000, (1, 28, 28)),
    "STL10": (10, 5_000, (3, 96, 96)),
    "SVHN": (10, 73_257, (3, 32, 32)),
}
"""Classes, training images and image shape of the data sets that are always the same."""

_EMNIST_SPLITS = ("letters", "balanced", "byclass", "bymerge", "digits", "mnist")


@dataclass(frozen=True)
class Source:
    """A named data set, under `root`; `field` is the configuration's name for it, for messages."""

    name: str
    argument: str
    root: Path
    field: str
    public: bool = False
    image_size: int | None = None

    @staticmethod
    def parse(text: str, field: str, **options: Any) -> Source:
        """`name[:argument]` → a source; `ConfigError` with the nearest name if there is none."""
        name, _, argument = text.partition(":")
        known = {key.lower(): key for key in _LOADERS}
        if name.lower() not in known:
            near = difflib.get_close_matches(name.lower(), known, 1, 0.5)
            hint = f" (did you mean {known[near[0]]!r}?)" if near else ""
            raise ConfigError(field, text, ", ".join(_LOADERS) + hint)
        return Source(known[name.lower()], argument, field=field, **options)

    def load(self) -> Splits:
        """Read it into memory."""
        return _LOADERS[self.name](self)

    @property
    def facts(self) -> tuple[int, int, tuple[int, int, int]]:
        """(classes, training images, image shape), from memory where the data set is always the same."""
        if self.name in _FACTS and self.argument in ("", "letters"):
            return (10, 100_000, (3, 96, 96)) if self.name == "STL10" and self.public else _FACTS[self.name]
        train = self.load()[0]
        channels, height, width = train.images.shape[1:]
        return 1 + int(train.labels.max()), len(train), (channels, height, width)

    def same_data(self, other: Source) -> bool:
        """Whether both read the same samples."""
        if self.name == other.name == "STL10":
            return False  # the public one is the unlabelled part
        return (self.name, self._place) == (other.name, other._place)

    @property
    def _place(self) -> str:
        if self.name in ("npz", "imagefolder"):
            return str((self.root / self.argument).resolve())
        return self.argument or ("letters" if self.name == "EMNIST" else "")


def _digits(source: Source) -> Splits:
    from sklearn.datasets import load_digits  # takes 0.5 s to import

    bunch = load_digits()
    images = torch.from_numpy((bunch.images * (255 / 16)).round().astype(np.uint8))[:, None]
    return ImageSet(images, torch.from_numpy(bunch.target.astype(np.int64))), None


def _torchvision(source: Source) -> Splits:
    parts = (True, False)
    if source.name == "SVHN":
        train, test = (_open(source, split="train" if part else "test") for part in parts)
    elif source.name == "STL10":
        first = "unlabeled" if source.public else "train"
        train, test = (_open(source, split=first if part else "test") for part in parts)
    elif source.name == "EMNIST":
        split = source.argument or "letters"
        if split not in _EMNIST_SPLITS:
            raise ConfigError(source.field, f"EMNIST:{split}", "EMNIST:" + ", EMNIST:".join(_EMNIST_SPLITS))
        train, test = (_open(source, split=split, train=part) for part in parts)
    else:
        train, test = (_open(source, train=part) for part in parts)
    return _arrays(source, train), _arrays(source, test)


def _open(source: Source, **options: Any) -> Any:
    """The torchvision data set from disk; downloaded where it is not there and may be."""
    import torchvision.datasets

    make = getattr(torchvision.datasets, source.name)
    try:
        return make(str(source.root), download=False, **options)
    except RuntimeError as missing:
        first = str(missing)
    try:
        socket.setdefaulttimeout(5)
        return make(str(source.root), download=True, **options)
    except Exception as error:  # torchvision raises whatever its mirrors raised
        reason = " ".join(f"{first.splitlines()[0]} Downloading it failed: {error}".split())[:240]
    finally:
        socket.setdefaulttimeout(None)
    allowed = f"a folder with the files of {source.name} in {source.root / _FOLDERS[source.name]} ({reason})"
    raise ConfigError("data.root", str(source.root), allowed)


def _arrays(source: Source, dataset: Any) -> ImageSet:
    data = dataset.data
    images = data if isinstance(data, Tensor) else torch.from_numpy(np.ascontiguousarray(data))
    labels = torch.as_tensor(np.asarray(getattr(dataset, "targets", getattr(dataset, "labels", None))))
    if images.ndim == 3:
        images = images[:, None]
    elif images.shape[-1] in (1, 3) and images.shape[1] not in (1, 3):
        images = images.permute(0, 3, 1, 2)
    if source.name == "EMNIST":
        images = images.transpose(-1, -2)  # the files hold each letter mirrored at its diagonal
        labels = labels - labels.min()  # "letters" counts from 1
    return ImageSet(images.contiguous(), labels.long())


def _npz(source: Source) -> Splits:
    path, train, test = _file_or_folder(source, ("train.npz", "test.npz"))
    parts = [read_npz(each, source.field, not source.public) for each in (train or path, test) if each is not None]
    classes = parts[0].labels.unique()
    got = f"{source.name}:{source.argument} with the classes {classes[:20].tolist()}"
    if len(classes) != int(classes[-1]) + 1:
        raise ConfigError(source.field, got, "all classes from 0 up to the largest")
    if int(parts[-1].labels.max()) >= len(classes):
        raise ConfigError(source.field, f"{test} with a label {int(parts[-1].labels.max())}", "classes of train.npz")
    return parts[0], parts[1] if test else None


def _imagefolder(source: Source) -> Splits:
    path, train, test = _file_or_folder(source, ("train", "test"))
    if source.image_size is None:
        raise ConfigError("data.images.size", None, "a size in pixels when a source is an imagefolder")
    first = read_imagefolder(train or path, source.field, source.image_size)
    if test is None:
        return first, None
    return first, read_imagefolder(test, source.field, source.image_size, class_folders(train or path))


def _file_or_folder(source: Source, names: tuple[str, str]) -> tuple[Path, Path | None, Path | None]:
    """The path that a source names, and in it the training and the test part where they are."""
    if not source.argument:
        raise ConfigError(source.field, source.name, f"{source.name}:PATH, relative to data.root")
    path = source.root / source.argument
    if not path.exists():
        raise ConfigError(source.field, f"{source.name}:{source.argument}", f"a path that exists (no {path})")
    train, test = (path / name for name in names)
    if not train.exists():
        return path, None, None
    return path, train, test if test.exists() else None


_LOADERS: dict[str, Callable[[Source], Splits]] = {
    "digits": _digits,
    **dict.fromkeys(("CIFAR10", "CIFAR100", "MNIST", "EMNIST", "FashionMNIST", "STL10", "SVHN"), _torchvision),
    "npz": _npz,
    "imagefolder": _imagefolder,
}
