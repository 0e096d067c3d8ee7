"""A safe checkpoint against torch.save."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from scarlet_pl.bench.timing import race, report
from scarlet_pl.checkpoint import AtomicCheckpointIO
from scarlet_pl.models import build

CLIENTS = 100


def run() -> None:
    """The weights of 100 ResNet-20 clients: written, synced, moved and hashed, against written; loaded and verified,
    against loaded."""
    states = [
        build("resnet20", "-", {"num_classes": 10, "in_channels": 3, "image_size": (32, 32)}).state_dict()
        for _ in range(CLIENTS)
    ]
    stacked = {key: torch.stack([state[key] for state in states]) for key in states[0]}
    io = AtomicCheckpointIO()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        plain, safe = Path(folder) / "plain.pt", Path(folder) / "safe.ckpt"
        saving = {
            "torch.save": lambda: torch.save(stacked, plain),
            "atomic, synced, hashed": lambda: io.save_checkpoint(stacked, safe),
        }
        report(f"saving {CLIENTS} ResNet-20 clients", race(saving, 5), "torch.save")
        loading = {
            "torch.load": lambda: torch.load(plain, weights_only=True),
            "verified": lambda: io.load_checkpoint(safe),
        }
        report("loading them", race(loading, 5), "torch.load")
