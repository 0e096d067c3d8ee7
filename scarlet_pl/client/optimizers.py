"""Client optimizers that go on from round to round: their state as tensors beside the client's weights."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor
from torch.optim import Optimizer

from scarlet_pl.client.module import ClientModule
from scarlet_pl.client.task import Stage, State
from scarlet_pl.errors import ConfigError, where

_PREFIX = "optimizer/"


def split(state: State) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A client's stored state → its network's, and its optimizers'."""
    kept = {name: value for name, value in state.items() if name.startswith(_PREFIX)}
    return {name: value for name, value in state.items() if name not in kept}, kept


def try_optimizer(module: ClientModule, stage: Stage) -> None:
    """Raise `ConfigError` if a stage's optimizer cannot be made, or cannot step as clients do. Changes nothing."""
    optimizer = module.optimizer(stage)
    try:
        optimizer.step()  # there are no gradients
    except Exception as error:  # LBFGS wants a closure
        raise _unfit(optimizer, stage, f"one that steps without a closure ({where(error)})") from error


class KeptOptimizers:
    """The state of a client's optimizers between rounds: in every round the same names and shapes, as the store of the
    clients' states asks, also of parameters that have not taken a step yet.

    Args:
        module: one with the network and the optimizers that the clients have.

    Raises:
        ConfigError: an optimizer has a state of more than tensors by parameter.
    """

    def __init__(self, module: ClientModule) -> None:
        self._unused: dict[Stage, dict[str, Tensor]] = {"train": _after_a_step(module, "train")}
        self._unused["distill"] = _after_a_step(module, "distill")

    def start(self, stage: Stage, module: ClientModule, kept: State) -> Optimizer:
        """A new optimizer of the module, with the state that was `kept` of the parameters that have taken a step."""
        optimizer, state = module.optimizer(stage), dict[int, dict[str, Tensor]]()
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


def _after_a_step(module: ClientModule, stage: Stage) -> dict[str, Tensor]:
    """The names and shapes of what is kept: many optimizers make their state in their first step."""
    copy = deepcopy(module)
    tried = copy.optimizer(stage)
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
