"""The soft-label cache: one state machine, run by the server and, on what it is told, by each client."""

from scarlet_pl.cache.policy import CachePolicy, Signal
from scarlet_pl.cache.sides import ClientCaches, ServerCache, SoftLabelCache
from scarlet_pl.cache.store import LabelStore

__all__ = ["CachePolicy", "ClientCaches", "LabelStore", "ServerCache", "Signal", "SoftLabelCache"]
