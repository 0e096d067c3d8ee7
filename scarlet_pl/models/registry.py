"""From a model's name in the configuration to a network that fits the data."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_type_hints

import torch
from torch import Tensor, nn

from scarlet_pl.errors import ConfigError, where
from scarlet_pl.models.calling import logits
from scarlet_pl.models.cifar import VGG, AlexNet, resnet18
from scarlet_pl.models.resnet import CifarResNet
from scarlet_pl.models.small import CNN, MLP, LeNet5, Logistic
from scarlet_pl.models.text import distilbert, pretrained

ModelSpec = str | dict[str, Any]
"""A name, or a mapping with `name` and further arguments of the network's constructor."""

_OWN: dict[str, Callable[..., nn.Module]] = {
    "cnn": CNN,
    "logistic": Logistic,
    "mlp": MLP,
    "lenet5": LeNet5,
    **{f"resnet{depth}": partial(CifarResNet, depth) for depth in (8, 20, 32, 44, 56)},
    "resnet18": resnet18,
    "alexnet": AlexNet,
    **{f"vgg{depth}": partial(VGG, depth, False) for depth in (11, 16)},
    **{f"vgg{depth}_bn": partial(VGG, depth, True) for depth in (11, 16)},
    "distilbert": distilbert,
}

_LIBRARIES = {"torch": "nn.", "torchvision": "models.", "lightning": "pytorch.demos."}
"""Where networks are in libraries which have, elsewhere, functions that return a network made of any code."""


def build(spec: ModelSpec, field: str, facts: Mapping[str, Any]) -> nn.Module:
    """The network that `spec` names, with random weights.

    The weights are drawn from torch's global generator: seed it with `rng.seeded`.

    A name is one of scarlet_pl's (cnn, mlp, lenet5, resnet20 …), `torchvision/NAME`, `transformers/` with a folder or a
    name on the hub, or the dotted path of a class or function of your own. It is called with what it accepts of
    `facts`, and with the further arguments of the mapping.

    Args:
        facts: `num_classes`; for images also `in_channels` and `image_size` (H, W), for others what their source says.

    Raises:
        ConfigError: no such model, or it cannot be made with these arguments.
    """
    options = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = options.pop("name", None)
    make = _maker(name, field)
    known = inspect.signature(make).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in known.values())
    given = {key: value for key, value in facts.items() if key in known}
    if takes_all:
        given["num_classes"] = facts["num_classes"]
    try:
        return make(**{**given, **options})
    except Exception as error:  # whatever the constructor of a user's network raises
        known_facts = ", ".join(f"{name} {value}" for name, value in facts.items())
        raise ConfigError(field, spec, f"a model for data with {known_facts} ({where(error)})") from error


def check(network: nn.Module, spec: ModelSpec, field: str, blank: Mapping[str, Tensor], classes: int) -> None:
    """Try `network` on a batch of two samples of zeros.

    Raises:
        ConfigError: it does not turn them into `classes` logits each.
    """
    training = network.training
    try:
        with torch.no_grad():
            shape = tuple(logits(network.eval(), blank).shape)
    except Exception as error:  # whatever its forward raises
        form = ", ".join(f"{name} {' × '.join(map(str, value.shape[1:]))}" for name, value in blank.items())
        raise ConfigError(field, spec, f"a model for samples of {form} ({where(error)})") from error
    network.train(training)
    if shape != (2, classes):
        allowed = f"a model with {classes} outputs, the classes of the data; it gives {shape[1:]}"
        raise ConfigError(field, spec, allowed)


def _maker(name: Any, field: str) -> Callable[..., nn.Module]:
    if not isinstance(name, str):
        raise ConfigError(field, name, "a model's name")
    if name in _OWN:
        return _OWN[name]
    if name.startswith("transformers/"):
        return partial(pretrained, name.removeprefix("transformers/"))
    import torchvision.models

    if name.startswith("torchvision/") and name[12:] in torchvision.models.list_models(torchvision.models):
        return partial(torchvision.models.get_model, name[12:], weights=None)
    if "." in name:
        return _imported(name, field)
    names = [*_OWN, *(f"torchvision/{n}" for n in torchvision.models.list_models(torchvision.models))]
    near = difflib.get_close_matches(name, names, 1, 0.5)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ConfigError(
        field, name, f"{', '.join(_OWN)}, torchvision/NAME, transformers/NAME or a class's dotted path{hint}"
    )


def _imported(path: str, field: str) -> Callable[..., nn.Module]:
    """A network's class, or a function that is annotated to return one: nothing else is called because of its name."""
    module, _, attribute = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever a module of the user's raises
        raise ConfigError(field, path, f"a class that can be imported ({where(error)})") from error
    if not _makes_networks(found):
        allowed = "a torch.nn.Module class, or a function whose annotation says that it returns one"
        raise ConfigError(field, path, allowed)
    made: Callable[..., nn.Module] = found
    return made


def _makes_networks(found: Any) -> bool:
    if not (isinstance(found, type) or inspect.isfunction(found)):
        return False
    room, _, inside = f"{found.__module__}.".partition(".")
    if room in _LIBRARIES and not inside.startswith(_LIBRARIES[room]):
        return False
    try:
        made = found if isinstance(found, type) else get_type_hints(found).get("return")
    except (NameError, TypeError):
        return False  # no annotations, or of what is not there
    return isinstance(made, type) and issubclass(made, nn.Module)
