"""How a network is called on a batch."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def logits(network: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """(B, N) logits: a batch of one field is the network's only argument, several are its arguments by name. A network
    may also return an object with `logits`, as those of the transformers library do."""
    found = network(*batch.values()) if len(batch) == 1 else network(**batch)
    given: Tensor = getattr(found, "logits", found)
    return given
