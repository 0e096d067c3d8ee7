"""Networks by name, and optimizers."""

from scarlet_pl.models.optim import OptimizerCallable, make_optimizer, sgd
from scarlet_pl.models.registry import ModelSpec, build, check, draws_globally

__all__ = ["ModelSpec", "OptimizerCallable", "build", "check", "draws_globally", "make_optimizer", "sgd"]
