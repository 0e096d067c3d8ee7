"""torchvision's data sets, from disk or downloaded."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scarlet_pl.data.samples import IMAGE, LabelledSamples
from scarlet_pl.data.sources.files import small
from scarlet_pl.errors import ConfigError

_FOLDERS = {
    "CIFAR10": "cifar-10-batches-py",
    "CIFAR100": "cifar-100-python",
    "Caltech101": "caltech101",
    "Caltech256": "caltech256",
    "MNIST": "MNIST/raw",
    "EMNIST": "EMNIST/raw",
    "FashionMNIST": "FashionMNIST/raw",
    "KMNIST": "KMNIST/raw",
    "STL10": "stl10_binary",
    "SVHN": ".",
}
"""Where torchvision looks for a data set's files, under the root."""


def dataset(name: str, root: Path, **options: Any) -> Any:
    """The torchvision data set; downloaded where it is not on disk and may be.

    Raises:
        ConfigError: neither is possible.
    """
    import torchvision.datasets

    make, new = getattr(torchvision.datasets, name), [each for each in (root, *root.parents) if not each.exists()]
    with suppress(RuntimeError):
        return make(str(root), download=False, **options)
    try:
        socket.setdefaulttimeout(5)
        return make(str(root), download=True, **options)
    except Exception as error:  # torchvision raises whatever its mirrors raised
        reason = " ".join(f"not found, or damaged; downloading it failed: {error}".split())[:240]
        _remove_empty(new)
    finally:
        socket.setdefaulttimeout(None)
    allowed = f"a folder with the files of {name} in {root / _FOLDERS[name]} ({reason})"
    raise ConfigError("data.root", str(root), allowed)


def _remove_empty(new: list[Path]) -> None:
    """The folders that a download made for nothing: the root, what is in it, and the parents that it did not have."""
    inside = [Path(folder) for root in new[:1] for folder, _, _ in os.walk(root, topdown=False)]
    for folder in (*inside, *new):
        with suppress(OSError):  # it is not empty, or gone
            folder.rmdir()


def arrays(name: str, dataset: Any) -> LabelledSamples:
    """The samples of a data set that torchvision holds as one array."""
    data = dataset.data
    images = data if isinstance(data, Tensor) else torch.from_numpy(np.ascontiguousarray(data))
    labels = torch.as_tensor(np.asarray(getattr(dataset, "targets", getattr(dataset, "labels", None))))
    if images.ndim == 3:
        images = images[:, None]
    elif images.shape[-1] in (1, 3) and images.shape[1] not in (1, 3):
        images = images.permute(0, 3, 1, 2)
    if name == "EMNIST":
        images = images.transpose(-1, -2)  # the files hold each letter mirrored at its diagonal
        labels = labels - labels.min()  # "letters" counts from 1
    return LabelledSamples({IMAGE: images.contiguous()}, labels.long())


def pictures(dataset: Any, size: int) -> LabelledSamples:
    """The samples of a data set whose pictures torchvision reads one by one, resized to size × size."""
    images = torch.stack([small(dataset[i][0], size) for i in range(len(dataset))])
    return LabelledSamples({IMAGE: images}, torch.tensor(dataset.y))
