"""Data sets of the user's own: npz files and folders of pictures, checked before they take memory."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scarlet_pl.data.images import ImageSet
from scarlet_pl.errors import ConfigError

_DEFLATED = 1032
"""No byte of deflated data stands for more bytes."""


def memory() -> int:
    """This machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def read_npz(path: Path, field: str, labelled: bool) -> ImageSet:
    """Images and labels from a file with the arrays x uint8 (n, H, W) or (n, H, W, C), and y integer (n,).

    Args:
        field: the configuration's name for it.
        labelled: whether y is read; if not, all labels are 0.

    Raises:
        ConfigError: it is no such file, or needs more memory than there is.
    """
    names = ("x", "y") if labelled else ("x",)
    try:
        with path.open("rb") as file:
            _check_sizes(file, names)
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                found = [arrays[name] for name in names]
    except Exception as error:  # whatever zipfile, zlib and NumPy raise
        allowed = f"a whole npz file with {' and '.join(names)} ({error})"
        raise ConfigError(field, str(path), allowed) from error
    x = found[0]
    if x.dtype != np.uint8 or x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[-1] not in (1, 3)) or not x.size:
        raise ConfigError(
            field, f"{path} with x {x.dtype} {x.shape}", "x uint8 (n, H, W) or (n, H, W, C) with C 1 or 3"
        )
    y = _labels(found[1], len(x), path, field) if labelled else np.zeros(len(x), np.int64)
    images = torch.from_numpy(x.reshape(*x.shape[:3], -1)).permute(0, 3, 1, 2).contiguous()
    return ImageSet(images, torch.from_numpy(y.astype(np.int64)))


def read_imagefolder(path: Path, field: str, size: int, classes: Sequence[str] | None = None) -> ImageSet:
    """Pictures from a folder of class folders, resized to size × size.

    Args:
        field: the configuration's name for it.
        classes: the class folders that it must have.

    Raises:
        ConfigError: it is no such folder, or a picture cannot be read.
    """
    from torchvision.datasets import ImageFolder
    from torchvision.transforms.functional import pil_to_tensor, resize

    try:
        folder = ImageFolder(str(path))
    except OSError as error:
        raise ConfigError(field, str(path), f"a folder of class folders of pictures ({error})") from error
    if classes is not None and list(classes) != folder.classes:
        raise ConfigError(field, f"{path} with {folder.classes}", f"the class folders {list(classes)}")
    images = []
    for file, _ in folder.samples:
        try:
            images.append(resize(pil_to_tensor(folder.loader(file)), [size, size]))
        except Exception as error:  # whatever Pillow raises, also of pictures that would take all memory
            raise ConfigError(field, file, f"a picture that can be read ({error})") from error
    return ImageSet(torch.stack(images), torch.tensor(folder.targets))


def class_folders(path: Path) -> list[str]:
    """The class folders of a folder, in the order of their classes."""
    return sorted(each.name for each in path.iterdir() if each.is_dir())


def _labels(y: NDArray[np.int64], count: int, path: Path, field: str) -> NDArray[np.int64]:
    if y.shape != (count,) or y.dtype.kind not in "iu":
        raise ConfigError(field, f"{path} with y {y.dtype} {y.shape}", f"y integer ({count},)")
    if int(y.min()) < 0:
        raise ConfigError(field, f"{path} with a label {int(y.min())}", "classes from 0")
    return y


def _check_sizes(file: object, names: Sequence[str]) -> None:
    """Raise `ValueError` if arrays are smaller than their headers claim, or larger than this machine's memory."""
    total = 0
    with zipfile.ZipFile(file) as archive:  # type: ignore[call-overload]
        for name in names:
            info = archive.getinfo(f"{name}.npy")
            with archive.open(info) as member:
                version = np.lib.format.read_magic(member)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(member)
                claimed = member.tell() + dtype.itemsize * int(np.prod(shape, dtype=object))
            if claimed != info.file_size or info.file_size > _DEFLATED * (info.compress_size + 1):
                raise ValueError(f"{name} {shape} takes {claimed} bytes, the file does not hold them")
            total += claimed
    if total > memory():
        raise ValueError(f"{total / 2**30:.0f} GiB, and this machine has {memory() / 2**30:.0f}")
