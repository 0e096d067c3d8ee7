"""What is recorded of a run, and how it is shown."""

from scarlet_pl.callbacks.metrics import CacheHitRate, CommunicatedBytes, SoftLabelDiagnostics
from scarlet_pl.callbacks.progress import RoundProgress
from scarlet_pl.callbacks.run_folder import RoundCheckpoint, RunFolder
from scarlet_pl.callbacks.split_picture import SplitPicture, split_figure
from scarlet_pl.callbacks.tensorboard import TensorBoardRounds

__all__ = [
    "CacheHitRate",
    "CommunicatedBytes",
    "RoundCheckpoint",
    "RoundProgress",
    "RunFolder",
    "SoftLabelDiagnostics",
    "SplitPicture",
    "TensorBoardRounds",
    "split_figure",
]
