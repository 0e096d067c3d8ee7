"""Optimizers as the configuration gives them: a function of the parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import SGD, Optimizer

from scarlet_pl.errors import ConfigError, where

OptimizerCallable = Callable[[Iterable[nn.Parameter]], Optimizer]


def sgd(parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Plain SGD with the learning rate of SCARLET's experiments."""
    return SGD(parameters, lr=0.1)


def make_optimizer(make: OptimizerCallable, parameters: Iterable[nn.Parameter], field: str) -> Optimizer:
    """An optimizer of the parameters.

    Raises:
        ConfigError: it takes no such arguments; names the one at fault where the optimizer's own error ends with its
            value, as torch's do.
    """
    try:
        return make(parameters)
    except Exception as error:  # whatever an optimizer, also a user's, says of its arguments
        given = getattr(make, "keywords", {})  # of a partial, which is what jsonargparse makes
        wrong = next((name for name, value in given.items() if str(error).endswith(f": {value}")), None)
        kinds = [each.__name__ for each in getattr(make, "args", ()) if isinstance(each, type)]
        value = (kinds or [str(make)])[0] if wrong is None else given[wrong]
        raise ConfigError(f"{field}.{wrong}" if wrong else field, value, f"what it takes ({where(error)})") from error
