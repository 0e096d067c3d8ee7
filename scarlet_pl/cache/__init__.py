"""The soft-label cache: its rule, and its two halves, which meet in signals alone."""

from scarlet_pl.cache.admission import Admission, AdmitAll, AfterRounds, LowEntropy, RandomShare
from scarlet_pl.cache.client import ClientCaches
from scarlet_pl.cache.policy import CachePolicy, Signal
from scarlet_pl.cache.server import ServerCache

__all__ = [
    "Admission",
    "AdmitAll",
    "AfterRounds",
    "CachePolicy",
    "ClientCaches",
    "LowEntropy",
    "RandomShare",
    "ServerCache",
    "Signal",
]
