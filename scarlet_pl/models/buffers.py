"""What a network holds and its state does not."""

from __future__ import annotations

from torch import Tensor, nn


def passing_buffers(network: nn.Module) -> dict[str, Tensor]:
    """Copies of the buffers that are in no state dict, by name."""
    held = network.state_dict().keys()
    return {name: value.clone() for name, value in network.named_buffers() if name not in held}
