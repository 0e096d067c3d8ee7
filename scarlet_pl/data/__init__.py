"""Private shards and the public set: sources by name, splits, batched augmentation, the DataModule."""

from scarlet_pl.data.datamodule import FederatedDataModule
from scarlet_pl.data.images import FederatedData, ImageSet, ImageTransform
from scarlet_pl.data.partitions import IID, BalancedDirichlet, Dirichlet, Partition, Shards
from scarlet_pl.data.sampler import RoundBatches, TensorBatches, WholeSet

__all__ = [
    "IID",
    "BalancedDirichlet",
    "Dirichlet",
    "FederatedData",
    "FederatedDataModule",
    "ImageSet",
    "ImageTransform",
    "Partition",
    "RoundBatches",
    "Shards",
    "TensorBatches",
    "WholeSet",
]
