"""A folder with every kind of bad file: data, pictures, configurations and modules."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def save_npz(path: Path, y: object) -> None:
    labels = np.asarray(y)
    np.savez(path, x=np.zeros((len(labels), 8, 8), np.uint8), y=labels)


def claim(path: Path, shape: tuple[int, ...], compression: int) -> None:
    """An npz file whose headers claim more than it holds."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, size, dtype in (("x", shape, "|u1"), ("y", shape[:1], "<i8")):
            header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {size}, }}"
            header += " " * (117 - len(header)) + "\n"
            written = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + b"\0" * 1000
            archive.writestr(f"{name}.npy", written)


def write_bad_files(here: Path) -> None:
    """Each is called for what is wrong with it; whole.npz is whole."""
    save_npz(here / "whole.npz", np.arange(30) % 3)
    (here / "damaged.npz").write_bytes((here / "whole.npz").read_bytes()[:200])
    save_npz(here / "one.npz", [0])
    save_npz(here / "one_class.npz", np.zeros(300, int))
    save_npz(here / "billion.npz", [*([0, 1] * 150), 10**9])
    save_npz(here / "gap.npz", np.arange(300) % 2 * 5)
    save_npz(here / "negative.npz", np.arange(300) % 3 - 1)
    claim(here / "claims.npz", (1_500_000_000, 1000, 1000), zipfile.ZIP_STORED)
    claim(here / "deflated.npz", (1_500_000_000, 1000, 1000), zipfile.ZIP_DEFLATED)
    np.savez_compressed(here / "flipped.npz", x=np.random.default_rng(0).integers(0, 9, (300, 8, 8), np.uint8), y=[0])
    flipped = bytearray((here / "flipped.npz").read_bytes())
    flipped[200:300] = bytes(100)
    (here / "flipped.npz").write_bytes(flipped)
    (here / "bomb/a").mkdir(parents=True)
    header = struct.pack(">II5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (here / "bomb/a/x.png").write_bytes(png)
    np.savez(here / "pickled.npz", x=np.array([{"a": 1}] * 9, object), y=np.zeros(9, int))
    (here / "folder").mkdir()
    save_npz(here / "folder/train.npz", np.arange(300) % 3)
    save_npz(here / "folder/test.npz", [7] * 30)
    for folder, other in (("taken", "rounds.csv"), ("other", "notes.txt")):
        (here / folder).mkdir()
        (here / folder / other).write_text("round\n")
    for picture in ("a/x.png", "b/y.png"):
        (here / "pictures" / picture).parent.mkdir(parents=True)
        (here / "pictures" / picture).write_bytes(b"\x89PNG broken")
    texts = {
        "bad_key.yaml": "client:\n  optimzer: SGD\n",
        "bad_part.yaml": "method:\n  aggregator:\n    class_path: EnhancedERA\n    init_args: {bta: 2}\n",
        "bad_yaml.yaml": "client: [unclosed\n",
        "empty.yaml": "",
        "list.yaml": "- a\n- b\n",
        "twice.yaml": "data:\n  num_clients: 3\n  num_clients: 4\n",
        "bomb.yaml": BOMB,
        "deep.yaml": "a: " + "[" * 5000 + "]" * 5000,
        "max_steps.yaml": "trainer:\n  max_steps: 3\n",
        "no_syntax.py": "import torch\nclass Net(:\n    pass\n",
        "no_name.py": "from torch import nn\n\n\nclass Net(nn.Modul if False else Modul):\n    pass\n",
        "fails.py": "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        {}['width']\n",
    }
    for name, text in texts.items():
        (here / name).write_text(text)
    (here / "latin.yaml").write_bytes(b"name: '\xe9t\xe9'\n")
