"""The split of the private data as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scarlet_pl.data import FederatedData
from scarlet_pl.loop import FederatedCallback

_MOST = 60


def split_figure(data: FederatedData) -> Figure:
    """Clients × classes, a bubble's area the number of training samples, as in figure 2 of CFD (arXiv 2012.00632).

    More than 60 clients or classes are cut off; the title says so.
    """
    counts = data.train_shards.class_counts(data.train.labels, data.num_classes)
    shown = counts[:_MOST, :_MOST]
    clients, classes = shown.shape
    figure = Figure(figsize=(1.5 + 0.28 * max(clients, 12), 1.3 + 0.28 * max(classes, 8)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    x, y = torch.meshgrid(torch.arange(clients), torch.arange(classes), indexing="ij")
    area = shown / max(int(shown.max()), 1) * 220
    axes.scatter(x.reshape(-1), y.reshape(-1), s=area.reshape(-1), color="#9b1c31", linewidths=0)
    axes.set(xlim=(-0.7, clients - 0.3), ylim=(-0.7, classes - 0.3), xlabel="client", ylabel="class")
    axes.set_xticks(range(0, clients, 1 + clients // 25))
    axes.set_yticks(range(0, classes, 1 + classes // 25))
    axes.grid(alpha=0.2)
    axes.set_axisbelow(True)
    part = "" if counts.shape == shown.shape else f" (first {clients} clients, first {classes} classes)"
    most = f"largest bubble: {int(shown.max())} samples"
    axes.set_title(f"{data.num_clients} clients × {data.num_classes} classes{part}; {most}", fontsize=9)
    return figure


class SplitPicture(FederatedCallback):
    """Draws the split as `split.png` when training starts.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / "split.png"

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero and len(trainer.federation.data.train):  # else all of it is elsewhere
            split_figure(trainer.federation.data).savefig(self.path, dpi=120)
