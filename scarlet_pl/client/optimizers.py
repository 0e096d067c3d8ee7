"""Client optimizers that go on from round to round: their state as tensors beside the client's weights."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor
from torch.optim import Optimizer

from scarlet_pl.client.module import ClientModule
from scarlet_pl.client.task import Stage, State
from scarlet_pl.errors import ConfigError

_PREFIX = "optimizer/"


def split(state: State) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A client's stored state → its network's, and its optimizers'."""
    kept = {name: value for name, value in state.items() if name.startswith(_PREFIX)}
    return {name: value for name, value in state.items() if name not in kept}, kept


class KeptOptimizers:
    """The state of a client's optimizers between rounds: in every round the same names and shapes, as the store of the
    clients' states asks, also before an optimizer's first step.

    Args:
        module: one with the network and the optimizers that the clients have.

    Raises:
        ConfigError: an optimizer has a state of more than tensors by parameter.
    """

    def __init__(self, module: ClientModule) -> None:
        self._unused: dict[Stage, dict[str, Tensor]] = {"train": _after_a_step(module, "train")}
        self._unused["distill"] = _after_a_step(module, "distill")

    def start(self, stage: Stage, module: ClientModule, kept: State) -> Optimizer:
        """A new optimizer of the module, with the state that was `kept` if it has taken a step before."""
        optimizer = module.optimizer(stage)
        if not int(kept.get(_begun(stage), 0)):
            return optimizer
        state: dict[int, dict[str, Tensor]] = {}
        for name in self._unused[stage].keys() - {_begun(stage)}:
            _, _, number, entry = name.split("/")
            state.setdefault(int(number), {})[entry] = kept[name].clone()
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return optimizer

    def after(self, kept: State, used: Mapping[Stage, Optimizer]) -> dict[str, Tensor]:
        """What is kept after a round in which these optimizers were used; the others stay as they were."""
        found: dict[str, Tensor] = {}
        for stage, unused in self._unused.items():
            if stage in used:
                found |= {**_tensors(used[stage], stage), _begun(stage): torch.tensor(1)}
            else:
                found |= {name: kept.get(name, value) for name, value in unused.items()}
        return found


def _begun(stage: Stage) -> str:
    return f"{_PREFIX}{stage}/begun"


def _after_a_step(module: ClientModule, stage: Stage) -> dict[str, Tensor]:
    """The names and shapes of what is kept: many optimizers make their state in their first step."""
    copy = deepcopy(module)
    tried = copy.optimizer(stage)
    for parameter in copy.parameters():
        parameter.grad = torch.zeros_like(parameter)
    try:
        tried.step()
    except TypeError as error:  # its step wants a closure
        raise _unfit(tried, stage) from error
    return {**_tensors(tried, stage), _begun(stage): torch.tensor(0)}


def _tensors(optimizer: Optimizer, stage: Stage) -> dict[str, Tensor]:
    found = {}
    for number, entries in optimizer.state_dict()["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                found[f"{_PREFIX}{stage}/{number}/{name}"] = value.detach().to("cpu", copy=True)
            elif value is not None:
                raise _unfit(optimizer, stage)
    return found


def _unfit(optimizer: Optimizer, stage: Stage) -> ConfigError:
    field = "client.optimizer" if stage == "train" else "client.distillation_optimizer"
    allowed = "with client.keep_optimizer, an optimizer whose state is tensors by parameter"
    return ConfigError(field, type(optimizer).__name__, allowed)
