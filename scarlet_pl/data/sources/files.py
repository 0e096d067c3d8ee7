"""Data sets of the user's own: npz files and folders of pictures, checked before they take memory."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scarlet_pl.data.memory import memory
from scarlet_pl.data.samples import IMAGE, LabelledSamples, Samples
from scarlet_pl.errors import ConfigError, require

_DEFLATED = 1032
"""No byte of deflated data stands for more bytes."""


def read_npz(path: Path, field: str) -> LabelledSamples:
    """Images and labels from a file with the arrays x uint8 (n, H, W) or (n, H, W, C), and y integer (n,).

    Args:
        field: the configuration's name for it.

    Raises:
        ConfigError: it is no such file, or needs more memory than there is.
    """
    x, y = _arrays(path, field, ("x", "y"))
    images = _images(x, path, field)
    return LabelledSamples.of(images, torch.from_numpy(_labels(y, len(x), path, field).astype(np.int64)))


def read_npz_images(path: Path, field: str) -> Samples:
    """`read_npz` without labels, which need not be there."""
    return _images(_arrays(path, field, ("x",))[0], path, field)


def read_imagefolder(path: Path, field: str, size: int, classes: Sequence[str] | None = None) -> LabelledSamples:
    """Pictures from a folder of class folders, resized to size × size.

    Args:
        field: the configuration's name for it.
        classes: the class folders that it must have.

    Raises:
        ConfigError: it is no such folder, or a picture cannot be read.
    """
    from torchvision.datasets import ImageFolder

    try:
        folder = ImageFolder(str(path))
    except OSError as error:
        raise ConfigError(field, str(path), f"a folder of class folders of pictures ({error})") from error
    if classes is not None and list(classes) != folder.classes:
        raise ConfigError(field, f"{path} with {folder.classes}", f"the class folders {list(classes)}")
    images = _read([Path(file) for file, _ in folder.samples], field, size)
    return LabelledSamples({IMAGE: images}, torch.tensor(folder.targets))


def read_pictures(path: Path, field: str, size: int) -> Samples:
    """All pictures in a folder and in the folders in it, by path, resized to size × size, without labels.

    Args:
        field: the configuration's name for it.

    Raises:
        ConfigError: there are none, or one cannot be read.
    """
    from torchvision.datasets.folder import IMG_EXTENSIONS

    found = sorted(each for each in path.rglob("*") if each.suffix.lower() in IMG_EXTENSIONS)
    require(bool(found), field, str(path), f"a folder of pictures ({', '.join(IMG_EXTENSIONS)})")
    return Samples.images(_read(found, field, size))


def small(picture: Any, size: int) -> Tensor:
    """A Pillow picture as (3, size, size) uint8."""
    from torchvision.transforms.functional import pil_to_tensor, resize

    resized: Tensor = resize(pil_to_tensor(picture.convert("RGB")), [size, size])
    return resized


def _read(files: Sequence[Path], field: str, size: int) -> Tensor:
    """(n, 3, size, size) uint8."""
    from PIL import Image

    images = []
    for file in files:
        try:
            with Image.open(file) as picture:
                images.append(small(picture, size))
        except Exception as error:  # whatever Pillow raises, also of pictures that would take all memory
            raise ConfigError(field, str(file), f"a picture that can be read ({error})") from error
    return torch.stack(images)


def class_folders(path: Path) -> list[str]:
    """The class folders of a folder, in the order of their classes."""
    return sorted(each.name for each in path.iterdir() if each.is_dir())


def _arrays(path: Path, field: str, names: Sequence[str]) -> list[NDArray[Any]]:
    try:
        with path.open("rb") as file:
            _check_sizes(file, names)
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return [arrays[name] for name in names]
    except Exception as error:  # whatever zipfile, zlib and NumPy raise
        allowed = f"a whole npz file with {' and '.join(names)} ({error})"
        raise ConfigError(field, str(path), allowed) from error


def _images(x: NDArray[Any], path: Path, field: str) -> Samples:
    if x.dtype != np.uint8 or x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[-1] not in (1, 3)) or not x.size:
        raise ConfigError(
            field, f"{path} with x {x.dtype} {x.shape}", "x uint8 (n, H, W) or (n, H, W, C) with C 1 or 3"
        )
    return Samples.images(torch.from_numpy(x.reshape(*x.shape[:3], -1)).permute(0, 3, 1, 2).contiguous())


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
