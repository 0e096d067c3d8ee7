"""Private shards and the public set: sources, splits, transforms, the DataModule."""

from scarlet_pl.data.datamodule import FederatedDataModule
from scarlet_pl.data.federated import FederatedData
from scarlet_pl.data.partitions import (
    IID,
    BalancedDirichlet,
    ClassDirichlet,
    Dirichlet,
    FewClasses,
    LabelledPool,
    Partition,
    QuantitySkew,
    Shards,
)
from scarlet_pl.data.sampler import RoundBatches, SampleBatches, WholeSet
from scarlet_pl.data.samples import FORWARD_BATCH, Batch, LabelledSamples, Samples, Split
from scarlet_pl.data.shifts import ImageShift, Shift
from scarlet_pl.data.sources import Source
from scarlet_pl.data.texts import TextTransform
from scarlet_pl.data.transforms import ImageTransform, Transform

__all__ = [
    "FORWARD_BATCH",
    "IID",
    "BalancedDirichlet",
    "Batch",
    "ClassDirichlet",
    "Dirichlet",
    "FederatedData",
    "FederatedDataModule",
    "FewClasses",
    "ImageShift",
    "ImageTransform",
    "LabelledPool",
    "LabelledSamples",
    "Partition",
    "QuantitySkew",
    "RoundBatches",
    "SampleBatches",
    "Samples",
    "Shards",
    "Shift",
    "Source",
    "Split",
    "TextTransform",
    "Transform",
    "WholeSet",
]
