"""Federated distillation: labels down, labels up. `server` has the server's half, `client` the clients'."""

from scarlet_pl.methods.distillation.server import Distillation

__all__ = ["Distillation"]
