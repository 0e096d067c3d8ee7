"""A client: its task, its LightningModule, the runner that brings them together, the store of its states."""

from scarlet_pl.client.module import ClientModule
from scarlet_pl.client.rows import Layout
from scarlet_pl.client.runner import ClientRunner
from scarlet_pl.client.store import ClientStore, DiskStore, MemoryStore
from scarlet_pl.client.task import ClientConfig, ClientFailure, ClientResult, ClientTask, State

__all__ = [
    "ClientConfig",
    "ClientFailure",
    "ClientModule",
    "ClientResult",
    "ClientRunner",
    "ClientStore",
    "ClientTask",
    "DiskStore",
    "Layout",
    "MemoryStore",
    "State",
]
