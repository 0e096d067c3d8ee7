"""What is recorded of a run, and how it is shown."""

from os import PathLike
from pathlib import Path

from lightning.pytorch import Callback

from scarlet_pl.callbacks.metrics import (
    CacheHitRate,
    CommunicatedBytes,
    MethodMetrics,
    NetworkClients,
    SimulatedTime,
    SoftLabelDiagnostics,
)
from scarlet_pl.callbacks.progress import RoundProgress
from scarlet_pl.callbacks.run_folder import RoundCheckpoint, RunFolder
from scarlet_pl.callbacks.split_picture import SplitPicture, split_figure
from scarlet_pl.callbacks.tensorboard import TensorBoardRounds

__all__ = [
    "CacheHitRate",
    "CommunicatedBytes",
    "MethodMetrics",
    "NetworkClients",
    "RoundCheckpoint",
    "RoundProgress",
    "RunFolder",
    "SimulatedTime",
    "SoftLabelDiagnostics",
    "SplitPicture",
    "TensorBoardRounds",
    "run_callbacks",
    "split_figure",
]


def run_callbacks(run_dir: str | PathLike[str], every_n_rounds: int = 1) -> list[Callback]:
    """What every run of the command records in its folder.

    Args:
        run_dir: the folder; is made.
        every_n_rounds: how often a checkpoint is saved.
    """
    folder = Path(run_dir)
    return [
        CacheHitRate(),
        CommunicatedBytes(),
        SimulatedTime(),
        NetworkClients(),
        SoftLabelDiagnostics(),
        MethodMetrics(),
        SplitPicture(folder),
        RunFolder(folder),
        TensorBoardRounds(folder),
        RoundCheckpoint(folder, every_n_rounds),
        RoundProgress(),
    ]
