"""Networks by name."""

from scarlet_pl.models.buffers import passing_buffers, put_back
from scarlet_pl.models.calling import logits
from scarlet_pl.models.registry import ModelSpec, build, check

__all__ = ["ModelSpec", "build", "check", "logits", "passing_buffers", "put_back"]
