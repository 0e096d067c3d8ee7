"""A round on a network of two nodes against the same round in one process."""

from __future__ import annotations

from scarlet_pl.cli.rehearse import rehearse

_ROUNDS, _CLIENTS, _NODES = 12, 4, 2


def run() -> None:
    """SCARLET on digits by `scarlet-pl rehearse`, one client after the other on either side."""
    few = ["--data.num_clients", str(_CLIENTS), "--trainer.max_rounds", str(_ROUNDS)]
    rehearse(["--nodes", str(_NODES), *few, "--trainer.eval_clients_every_n_rounds", "0"])
