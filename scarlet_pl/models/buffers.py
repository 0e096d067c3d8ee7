"""What a network holds and its state may not."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def passing_buffers(network: nn.Module) -> dict[str, Tensor]:
    """Copies of the buffers that are in no state dict, by name."""
    held = network.state_dict().keys()
    return {name: value.clone() for name, value in network.named_buffers() if name not in held}


def put_back(network: nn.Module, buffers: Mapping[str, Tensor]) -> None:
    """Make buffers what they were, by name, though a pass may have left others of another shape in their places."""
    for name, value in buffers.items():
        now = network.get_buffer(name)
        if now.shape == value.shape:
            now.data.copy_(value)
        else:
            module, _, last = name.rpartition(".")
            setattr(network.get_submodule(module), last, value.to(now.device, copy=True))
