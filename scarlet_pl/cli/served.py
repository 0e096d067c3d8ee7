"""`fit` whose clients are on a network."""

from __future__ import annotations

from collections.abc import Sequence

from scarlet_pl.cli.app import FederatedCLI
from scarlet_pl.cli.fit import run as run_command
from scarlet_pl.data import FederatedData, FederatedDataModule
from scarlet_pl.errors import require
from scarlet_pl.federation import FederationConfig
from scarlet_pl.network.agreement import agreement
from scarlet_pl.network.mail import Mail
from scarlet_pl.network.transport import NetworkTransport


def run(argv: list[str], mail: Mail | None, nodes: int = 1) -> int:
    """`scarlet-pl fit …` over the mail; the exit code.

    Args:
        mail: None for a simulation of what could run over a mail.
        nodes: that share the clients.
    """

    class ServedCLI(FederatedCLI):
        """Takes the same configuration as `fit`."""

        def owners(self, data: FederatedDataModule) -> Sequence[int]:
            return super().owners(data) if mail is None else () if data.own else range(data.num_clients)

        def make_transport(self, data: FederatedData, config: FederationConfig) -> NetworkTransport | None:
            method, trainer = self._get(self.config_init, "method"), self._get(self.config_init, "trainer")
            require(method.has_clients, "method", type(method).__name__, "a method with clients")
            one = trainer["devices"] in ("auto", 1, "1") and trainer["num_nodes"] == 1
            require(one, "trainer.devices", trainer["devices"], "1 where the clients are on a network")
            require(nodes <= data.num_clients, "nodes", nodes, f"at most {data.num_clients}, the number of clients")
            if mail is None:
                return None
            return NetworkTransport(mail, data.num_clients, agreement(self._settings(), data), config.network)

    return run_command(argv, ServedCLI)
