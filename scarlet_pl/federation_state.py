"""What Lightning saves, loads and tests of a federation together with the server's module."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, Trainer

from scarlet_pl.federation import Federation
from scarlet_pl.server import ServerModule


class FederationState(Callback):
    """Puts the federation's state into the checkpoints of the server's module, and tests clients when it is tested.

    Args:
        federation: whose clients, method and ledger.
    """

    def __init__(self, federation: Federation) -> None:
        self._federation = federation

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Before Lightning loads a checkpoint. By the module's hooks and not a callback's own: those are not called
        where a checkpoint is loaded for a test."""
        if isinstance(pl_module, ServerModule):
            pl_module.saved_with["federation"] = self._federation

    def teardown(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """No worker outlives what it was needed for."""
        self._federation.close()

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        """Nor a run that failed."""
        self._federation.close()

    def on_test_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Log `client/accuracy` and the learner's other metrics: the mean over all clients on their own test shards."""
        if self._federation.method.has_clients:
            for name, value in self._federation.client_means(0, pl_module).items():
                pl_module.log(name, value, logger=False, sync_dist=True)
