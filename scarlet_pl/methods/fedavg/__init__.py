"""FedAvg: weights instead of predictions."""

from scarlet_pl.methods.fedavg.server import FedAvg

__all__ = ["FedAvg"]
