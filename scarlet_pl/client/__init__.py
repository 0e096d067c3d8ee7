"""A client: its task, its LightningModule, and the runner that carries out the one on the other."""

from scarlet_pl.client.module import ClientModule
from scarlet_pl.client.runner import ClientRunner
from scarlet_pl.client.task import ClientConfig, ClientFailure, ClientResult, ClientTask, State

__all__ = ["ClientConfig", "ClientFailure", "ClientModule", "ClientResult", "ClientRunner", "ClientTask", "State"]
