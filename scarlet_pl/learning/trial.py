"""A learner is tried before a run: what does not fit is said then."""

from __future__ import annotations

import warnings

import torch

from scarlet_pl import rng
from scarlet_pl.data import Batch
from scarlet_pl.errors import ConfigError, require, where
from scarlet_pl.learning.learner import Learner
from scarlet_pl.learning.metrics import of_one_process
from scarlet_pl.models import put_back


def draws_globally(learner: Learner, blank: Batch, classes: int, field: str) -> bool:
    """Whether a step of the learner draws from torch's global generator, as plain dropout does. Its network stays as it
    is.

    Args:
        blank: two samples, as networks get them.
        field: the configuration's name for the learner.

    Raises:
        ConfigError: it cannot take such a step.
    """
    buffers = {name: buffer.clone() for name, buffer in learner.named_buffers()}
    with rng.seeded(0, "probe"), torch.enable_grad():
        before = torch.get_rng_state()
        try:
            learner.train().on_train_start()
            learner.private_loss(blank, torch.zeros(2, dtype=torch.int64))
            learner.distillation_loss(blank, torch.full((2, classes), 1 / classes))
        except Exception as error:  # whatever a user's losses raise
            allowed = f"a learner of such samples and {classes} classes ({where(error)})"
            raise ConfigError(field, type(learner).__name__, allowed) from error
        drew = not torch.equal(before, torch.get_rng_state())
    put_back(learner, buffers)  # a pass moves the running statistics of batch normalisation
    return drew


def try_metrics(learner: Learner, classes: int, field: str) -> None:
    """Raise `ConfigError` if one of the learner's metrics does not give a number for logits of so many classes.

    Args:
        field: the configuration's name for the learner.
    """
    for name, metric in of_one_process(learner.metrics(classes)).items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of two samples no metric says much
                metric.update(torch.eye(2, classes), torch.arange(2) % classes)
                value = torch.as_tensor(metric.compute())
        except Exception as error:  # whatever torchmetrics raises
            allowed = f"a metric of logits of {classes} classes ({where(error)})"
            raise ConfigError(f"{field}.extra_metrics.{name}", type(metric).__name__, allowed) from error
        single = value.numel() == 1
        require(single, f"{field}.extra_metrics.{name}", type(metric).__name__, "a metric that is a single number")
