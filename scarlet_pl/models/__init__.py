"""Networks by name, and optimizers."""

from scarlet_pl.models.optim import OptimizerCallable, sgd
from scarlet_pl.models.registry import ModelSpec, build, check, draws_globally

__all__ = ["ModelSpec", "OptimizerCallable", "build", "check", "draws_globally", "sgd"]
