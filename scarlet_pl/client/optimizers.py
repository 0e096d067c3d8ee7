"""Client optimizers: new in every round, or with their state kept as tensors beside the client's weights."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from typing import get_args

import torch
from torch import Tensor
from torch.optim import Optimizer

from scarlet_pl.client.task import ClientConfig, Stage, State
from scarlet_pl.errors import ConfigError, where
from scarlet_pl.learning import Learner, RoundSchedule

_PREFIX = "optimizer/"


def split(state: State) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A client's stored state → its network's, and its optimizers'."""
    kept = {name: value for name, value in state.items() if name.startswith(_PREFIX)}
    return {name: value for name, value in state.items() if name not in kept}, kept


def new_optimizer(learner: Learner, config: ClientConfig, stage: Stage) -> Optimizer:
    """An optimizer of local training or of distillation; raises `ConfigError`."""
    if stage == "distill" and config.distillation_optimizer is not None:
        return learner.optimizer(config.distillation_optimizer, "client.distillation_optimizer")
    return learner.optimizer(config.optimizer, "client.optimizer")


def schedules(learner: Learner, config: ClientConfig) -> dict[Stage, RoundSchedule]:
    """Of both stages' learning rates over rounds; none where none is configured."""
    if config.lr_scheduler is None:
        return {}
    make = {stage: partial(new_optimizer, config=config, stage=stage) for stage in get_args(Stage)}
    return {
        stage: RoundSchedule(config.lr_scheduler, make[stage], learner, "client.lr_scheduler")
        for stage in get_args(Stage)
    }


def try_optimizer(learner: Learner, config: ClientConfig, stage: Stage) -> None:
    """Raise `ConfigError` if a stage's optimizer cannot be made, or cannot step as clients do. Changes nothing."""
    optimizer = new_optimizer(learner, config, stage)
    try:
        optimizer.step()  # there are no gradients
    except Exception as error:  # LBFGS wants a closure
        raise _unfit(optimizer, stage, f"one that steps without a closure ({where(error)})") from error


class KeptOptimizers:
    """The state of a client's optimizers between rounds: in every round the same names and shapes, as the store of the
    clients' states asks, also of parameters that have not taken a step yet.

    Args:
        learner: one with the network that the clients have.
        config: with the optimizers.

    Raises:
        ConfigError: an optimizer has a state of more than tensors by parameter.
    """

    def __init__(self, learner: Learner, config: ClientConfig) -> None:
        self._config = config
        self._unused: dict[Stage, dict[str, Tensor]] = {"train": _after_a_step(learner, config, "train")}
        self._unused["distill"] = _after_a_step(learner, config, "distill")

    def start(self, stage: Stage, learner: Learner, kept: State) -> Optimizer:
        """A new optimizer of the learner, with the state that was `kept` of the parameters that have taken a step."""
        optimizer, state = new_optimizer(learner, self._config, stage), dict[int, dict[str, Tensor]]()
        begun = kept.get(_begun(stage))
        if begun is None or not bool(begun.any()):
            return optimizer
        for name in self._unused[stage].keys() - {_begun(stage)}:
            _, _, number, entry = name.split("/")
            if bool(begun[int(number)]):
                state.setdefault(int(number), {})[entry] = kept[name].clone()
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return optimizer

    def after(self, kept: State, used: Mapping[Stage, Optimizer]) -> dict[str, Tensor]:
        """What is kept after a round in which these optimizers were used; the others stay as they were."""
        found: dict[str, Tensor] = {}
        for stage, unused in self._unused.items():
            found |= {name: kept.get(name, value) for name, value in unused.items()}
            if stage in used:
                found |= _tensors(used[stage], stage, found[_begun(stage)])
        return found


def _begun(stage: Stage) -> str:
    """The name of (parameters,) bool: which have a state."""
    return f"{_PREFIX}{stage}/begun"


def _after_a_step(learner: Learner, config: ClientConfig, stage: Stage) -> dict[str, Tensor]:
    """The names and shapes of what is kept: many optimizers make their state in their first step."""
    copy = deepcopy(learner)
    tried = new_optimizer(copy, config, stage)
    for parameter in copy.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)
    nobody = torch.zeros(sum(len(group["params"]) for group in tried.param_groups), dtype=torch.bool)
    try:
        tried.step()
    except Exception as error:  # SparseAdam wants sparse gradients
        raise _unfit(tried, stage, f"one that takes dense gradients ({where(error)})") from error
    return {**_tensors(tried, stage, nobody), _begun(stage): nobody}


def _tensors(optimizer: Optimizer, stage: Stage, begun: Tensor) -> dict[str, Tensor]:
    """The state by name, and which parameters have one, those that had `begun` before among them."""
    found, begun = dict[str, Tensor](), begun.clone()
    for number, entries in optimizer.state_dict()["state"].items():
        begun[number] = True
        for name, value in entries.items():
            if isinstance(value, Tensor):
                found[f"{_PREFIX}{stage}/{number}/{name}"] = value.detach().to("cpu", copy=True)
            elif value is not None:
                raise _unfit(optimizer, stage, "with client.keep_optimizer, one whose state is tensors by parameter")
    return {**found, _begun(stage): begun}


def _unfit(optimizer: Optimizer, stage: Stage, allowed: str) -> ConfigError:
    field = "client.optimizer" if stage == "train" else "client.distillation_optimizer"
    return ConfigError(field, type(optimizer).__name__, allowed)
