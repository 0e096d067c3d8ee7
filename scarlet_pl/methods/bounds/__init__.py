"""The two bounds that a federated method lies between; nothing is sent."""

from scarlet_pl.methods.bounds.server import Centralized, Individual

__all__ = ["Centralized", "Individual"]
