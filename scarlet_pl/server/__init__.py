"""The server: what it learns, and its LightningModule."""

from scarlet_pl.server.config import ServerConfig, ServerWork
from scarlet_pl.server.module import ServerModule

__all__ = ["ServerConfig", "ServerModule", "ServerWork"]
