"""Data sets by name.

A source is written `name` or `name:argument`, the name in any case:

    digits                scikit-learn's 1,797 real 8 × 8 digits, no download
    CIFAR10, CIFAR100, MNIST, FashionMNIST, KMNIST, SVHN
    EMNIST:split          letters (the default), balanced, byclass, bymerge, digits, mnist
    STL10                 its labelled images; as a public set its 100,000 unlabelled ones
    Caltech101, Caltech256   pictures of many sizes: with ImageTransform's size
    npz:path              arrays x uint8 (n, H, W) or (n, H, W, C) and y int; path is a file, or a folder that
                          holds train.npz and test.npz
    docstrings            3,000 paragraphs of the documentation of six packages that scarlet_pl needs, as they are
                          installed; the package is the class. With TextTransform
    text:path             a CSV or JSONL file with the columns text and label, of which a public set needs the text
                          alone, or a folder that holds train and test files of one kind. With TextTransform
    imagefolder:path      a folder of class folders of pictures, or one with train/ and test/ of that kind; as a public
                          set any folder with pictures somewhere in it. With ImageTransform's size

Paths are relative to `data.root`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scarlet_pl.data.samples import IMAGE, LabelledSamples
from scarlet_pl.data.sources.docstrings import paragraphs
from scarlet_pl.data.sources.files import class_folders, read_imagefolder, read_npz, read_npz_images, read_pictures
from scarlet_pl.data.sources.source import Facts, Source, Splits
from scarlet_pl.data.sources.texts import SUFFIXES, read_labelled_texts, read_texts
from scarlet_pl.data.sources.torchvision_sets import arrays, dataset, pictures
from scarlet_pl.data.texts import text_field
from scarlet_pl.errors import ConfigError

_SAME: dict[str, tuple[int, int, tuple[int, int, int]]] = {
    "digits": (10, 1797, (1, 8, 8)),
    "CIFAR10": (10, 50_000, (3, 32, 32)),
    "CIFAR100": (100, 50_000, (3, 32, 32)),
    "MNIST": (10, 60_000, (1, 28, 28)),
    "EMNIST": (26, 124_800, (1, 28, 28)),
    "FashionMNIST": (10, 60_000, (1, 28, 28)),
    "KMNIST": (10, 60_000, (1, 28, 28)),
    "STL10": (10, 5_000, (3, 96, 96)),
    "SVHN": (10, 73_257, (3, 32, 32)),
}
"""Classes, training images and image shape of the data sets that are always the same."""

_EMNIST_SPLITS = ("letters", "balanced", "byclass", "bymerge", "digits", "mnist")


@dataclass(frozen=True)
class NamedSource(Source):
    """A named data set, under `root`; `field` is the configuration's name for it, for messages.

    Attributes:
        public: whether it is the public set.
        image_size: to which pictures of many sizes are brought; None where none is configured.
    """

    name: str
    argument: str
    root: Path
    field: str
    public: bool = False
    image_size: int | None = None

    def load(self) -> Splits:
        return _LOADERS[self.name](self)

    @property
    def facts(self) -> Facts:
        if self.name not in _SAME or self.argument not in ("", "letters"):
            return super().facts
        classes, samples, shape = _SAME[self.name]
        if self.name == "STL10" and self.public:
            samples = 100_000
        return Facts(classes, samples, {IMAGE: shape})

    @property
    def identity(self) -> object:
        if self.name in _PARTS:
            path, train, _ = _parts(self)
            return self.name, (train or path).resolve()
        if self.name == "STL10":
            return self.name, self.public  # the public one is the unlabelled part
        return (self.name, self.argument or "letters") if self.name == "EMNIST" else self.name

    @property
    def held_out(self) -> object:
        test = _parts(self)[2] if self.name in _PARTS else None
        return None if test is None else (self.name, test.resolve())

    def __str__(self) -> str:
        return f"{self.name}:{self.argument}" if self.argument else self.name

    def size(self) -> int:
        """`image_size`; raises `ConfigError` where there is none."""
        if self.image_size is None:
            allowed = f"ImageTransform with a size in pixels: {self.name} has pictures of many sizes"
            raise ConfigError("data.transform.size", None, allowed)
        return self.image_size


def named(text: str, field: str, **options: Any) -> NamedSource:
    """`name[:argument]` → a source; `ConfigError` with the nearest name if there is none."""
    name, _, argument = text.partition(":")
    known = {key.lower(): key for key in _LOADERS}
    if name.lower() not in known:
        near = difflib.get_close_matches(name.lower(), known, 1, 0.5)
        hint = f" (did you mean {known[near[0]]!r}?)" if near else ""
        own = "or class_path and init_args of a source of your own"
        raise ConfigError(field, text, f"{', '.join(_LOADERS)}, {own}{hint}")
    return NamedSource(known[name.lower()], argument, field=field, **options)


def _digits(source: NamedSource) -> Splits:
    from sklearn.datasets import load_digits  # takes 0.5 s to import

    bunch = load_digits()
    images = torch.from_numpy((bunch.images * (255 / 16)).round().astype(np.uint8))[:, None]
    return LabelledSamples({IMAGE: images}, torch.from_numpy(bunch.target.astype(np.int64))), None


def _torchvision(source: NamedSource) -> Splits:
    options: list[dict[str, Any]] = [{"train": True}, {"train": False}]
    if source.name == "SVHN":
        options = [{"split": "train"}, {"split": "test"}]
    elif source.name == "STL10":
        options = [{"split": "unlabeled" if source.public else "train"}, {"split": "test"}]
    elif source.name == "EMNIST":
        split = source.argument or "letters"
        if split not in _EMNIST_SPLITS:
            raise ConfigError(source.field, f"EMNIST:{split}", "EMNIST:" + ", EMNIST:".join(_EMNIST_SPLITS))
        options = [{"split": split, **each} for each in options]
    train, test = (arrays(source.name, dataset(source.name, source.root, **each)) for each in options)
    return train, test


def _caltech(source: NamedSource) -> Splits:
    size = source.size()  # before anything is downloaded
    return pictures(dataset(source.name, source.root), size), None


def _npz(source: NamedSource) -> Splits:
    path, train, test = _file_or_folder(source)
    if source.public:
        return read_npz_images(train or path, source.field), None
    parts = [read_npz(each, source.field) for each in (train or path, test) if each is not None]
    classes = parts[0].labels.unique()
    got = f"{source.name}:{source.argument} with the classes {classes[:20].tolist()}"
    if len(classes) != int(classes[-1]) + 1:
        raise ConfigError(source.field, got, "all classes from 0 up to the largest")
    if int(parts[-1].labels.max()) >= len(classes):
        raise ConfigError(source.field, f"{test} with a label {int(parts[-1].labels.max())}", "classes of train.npz")
    return parts[0], parts[1] if test else None


def _imagefolder(source: NamedSource) -> Splits:
    path, train, test = _file_or_folder(source)
    if source.public:
        return read_pictures(train or path, source.field, source.size()), None
    first = read_imagefolder(train or path, source.field, source.size())
    if test is None:
        return first, None
    return first, read_imagefolder(test, source.field, source.size(), class_folders(train or path))


def _docstrings(source: NamedSource) -> Splits:
    texts, labels = paragraphs(source.field)
    return LabelledSamples(text_field(texts), torch.tensor(labels)), None


def _text(source: NamedSource) -> Splits:
    path, train, test = _file_or_folder(source)
    file = train or path
    if not file.is_file() or file.suffix not in SUFFIXES:
        raise ConfigError(source.field, str(source), f"a {' or '.join(SUFFIXES)} file, or a folder with a train file")
    if source.public:
        return read_texts(file, source.field), None
    first, classes = read_labelled_texts(file, source.field)
    return first, read_labelled_texts(test, source.field, classes)[0] if test else None


_PARTS = {"npz": [".npz"], "imagefolder": [""], "text": SUFFIXES}
"""Sources of one's own files, and how the names of their parts end, `train` and `test`."""


def _file_or_folder(source: NamedSource) -> tuple[Path, Path | None, Path | None]:
    """The path that a source names, and in it the training and the test part where they are."""
    if not source.argument:
        raise ConfigError(source.field, source.name, f"{source.name}:PATH, relative to data.root")
    found = _parts(source)
    if not found[0].exists():
        raise ConfigError(source.field, f"{source.name}:{source.argument}", f"a path that exists (no {found[0]})")
    return found


def _parts(source: NamedSource) -> tuple[Path, Path | None, Path | None]:
    path = source.root / source.argument
    for suffix in _PARTS[source.name]:
        train, test = path / f"train{suffix}", path / f"test{suffix}"
        if train.exists():
            return path, train, test if test.exists() else None
    return path, None, None


_ARRAYS = ("CIFAR10", "CIFAR100", "MNIST", "EMNIST", "FashionMNIST", "KMNIST", "STL10", "SVHN")
_LOADERS: dict[str, Callable[[NamedSource], Splits]] = {
    "digits": _digits,
    **dict.fromkeys(_ARRAYS, _torchvision),
    **dict.fromkeys(("Caltech101", "Caltech256"), _caltech),
    "npz": _npz,
    "imagefolder": _imagefolder,
    "text": _text,
    "docstrings": _docstrings,
}
