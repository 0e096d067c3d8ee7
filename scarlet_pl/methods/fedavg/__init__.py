"""FedAvg: weights instead of predictions, and a server that may distil them."""

from scarlet_pl.methods.fedavg.fusion import Fusion
from scarlet_pl.methods.fedavg.server import FedAvg

__all__ = ["FedAvg", "Fusion"]
