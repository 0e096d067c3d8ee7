"""Optimizers as the configuration gives them: a function of the parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import SGD, Optimizer

OptimizerCallable = Callable[[Iterable[nn.Parameter]], Optimizer]


def sgd(parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Plain SGD with the learning rate of SCARLET's experiments."""
    return SGD(parameters, lr=0.1)
