"""The soft-label cache: its rule, and its two halves, which meet in signals alone."""

from scarlet_pl.cache.client import ClientCaches
from scarlet_pl.cache.policy import CachePolicy, Signal
from scarlet_pl.cache.server import ServerCache

__all__ = ["CachePolicy", "ClientCaches", "ServerCache", "Signal"]
