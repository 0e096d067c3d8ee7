"""From a model's name in the configuration to a network that fits the data."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, get_type_hints

import torch
from torch import nn

from scarlet_pl import rng
from scarlet_pl.errors import ConfigError, where
from scarlet_pl.models.resnet import CifarResNet
from scarlet_pl.models.small import CNN, MLP, LeNet5

ModelSpec = str | dict[str, Any]
"""A name, or a mapping with `name` and further arguments of the network's constructor."""

_OWN: dict[str, Callable[..., nn.Module]] = {
    "cnn": CNN,
    "mlp": MLP,
    "lenet5": LeNet5,
    **{f"resnet{depth}": partial(CifarResNet, depth) for depth in (20, 32, 44, 56)},
}

_LIBRARIES = {"torch": "nn.", "torchvision": "models.", "lightning": "pytorch.demos."}
"""Where networks are in libraries which have, elsewhere, functions that return a network made of any code."""


def build(spec: ModelSpec, field: str, num_classes: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """The network that `spec` names, for images (C, H, W) and so many classes, with random weights.

    The weights are drawn from torch's global generator: seed it with `rng.seeded`.

    A name is one of scarlet_pl's (cnn, mlp, lenet5, resnet20 …), `torchvision/NAME`, or the dotted path of a
    class or function of your own. It is called with what it accepts of `num_classes`, `in_channels` and
    `image_size`, and with the further arguments of the mapping.

    Raises:
        ConfigError: no such model, or it cannot be made with these arguments.
    """
    options = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = options.pop("name", None)
    make = _maker(name, field)
    facts = {"num_classes": num_classes, "in_channels": image_shape[0], "image_size": image_shape[1:]}
    known = inspect.signature(make).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in known.values())
    given = {key: value for key, value in facts.items() if key in known}
    if takes_all:
        given["num_classes"] = num_classes
    try:
        return make(**{**given, **options})
    except Exception as error:  # whatever the constructor of a user's network raises
        raise _unfit(field, spec, image_shape, error) from error


def check(network: nn.Module, spec: ModelSpec, field: str, num_classes: int, image_shape: tuple[int, int, int]) -> None:
    """Try `network` on two images of zeros.

    Raises:
        ConfigError: it does not turn such images into `num_classes` logits.
    """
    training = network.training
    try:
        with torch.no_grad():
            shape = tuple(network.eval()(torch.zeros(2, *image_shape)).shape)
    except Exception as error:  # whatever its forward raises
        raise _unfit(field, spec, image_shape, error) from error
    network.train(training)
    if shape != (2, num_classes):
        allowed = f"a model with {num_classes} outputs, the classes of the data; it gives {shape[1:]}"
        raise ConfigError(field, spec, allowed)


def draws_globally(network: nn.Module, image_shape: tuple[int, int, int]) -> bool:
    """Whether a training pass of `network` draws from torch's global generator, as plain dropout does."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    with rng.seeded(0, "probe"), torch.no_grad():
        before = torch.get_rng_state()
        network.train()(torch.zeros(2, *image_shape))
        drew = not torch.equal(before, torch.get_rng_state())
    for name, buffer in network.named_buffers():
        buffer.copy_(buffers[name])  # a pass moves the running statistics of batch normalisation
    return drew


def _unfit(field: str, spec: ModelSpec, image_shape: tuple[int, int, int], error: Exception) -> ConfigError:
    images = " × ".join(map(str, image_shape))
    return ConfigError(field, spec, f"a model for {images} images ({where(error)})")


def _maker(name: Any, field: str) -> Callable[..., nn.Module]:
    if not isinstance(name, str):
        raise ConfigError(field, name, "a model's name")
    if name in _OWN:
        return _OWN[name]
    import torchvision.models

    if name.startswith("torchvision/") and name[12:] in torchvision.models.list_models(torchvision.models):
        return partial(torchvision.models.get_model, name[12:], weights=None)
    if "." in name:
        return _imported(name, field)
    names = [*_OWN, *(f"torchvision/{n}" for n in torchvision.models.list_models(torchvision.models))]
    near = difflib.get_close_matches(name, names, 1, 0.5)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ConfigError(field, name, f"{', '.join(_OWN)}, torchvision/NAME or a class's dotted path{hint}")


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
