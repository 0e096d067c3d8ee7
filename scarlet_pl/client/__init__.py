"""A client: its task, the runner that carries it out, the store of its state."""

from scarlet_pl.client.rows import Layout
from scarlet_pl.client.runner import ClientRunner
from scarlet_pl.client.selectors import ClientSelector
from scarlet_pl.client.store import ClientStore, DiskStore, MemoryStore
from scarlet_pl.client.task import ClientConfig, ClientFailure, ClientResult, ClientTask, State

__all__ = [
    "ClientConfig",
    "ClientFailure",
    "ClientResult",
    "ClientRunner",
    "ClientSelector",
    "ClientStore",
    "ClientTask",
    "DiskStore",
    "Layout",
    "MemoryStore",
    "State",
]
