"""FedProx as a learner: clients are held near the weights that they start a round from.

The loss of local training is F(θ) + μ/2 ‖θ − θ_start‖².
Source: Li et al. 2020, Federated Optimization in Heterogeneous Networks (arXiv 1812.06127).
"""

from torch import Tensor, nn

from scarlet_pl.data import Batch
from scarlet_pl.learning import Learner


class FedProx(Learner):
    """Cross-entropy and the proximal term.

    Args:
        mu: μ, how strongly the weights are held; 0 is FedAvg.
    """

    def __init__(self, network: nn.Module, mu: float = 0.1) -> None:
        super().__init__(network)
        self.mu = mu

    def on_train_start(self) -> None:
        self.start = [parameter.detach().clone() for parameter in self.network.parameters()]

    def private_loss(self, batch: Batch, labels: Tensor) -> Tensor:
        moved = zip(self.network.parameters(), self.start, strict=True)
        distance = sum((now - then).square().sum() for now, then in moved)
        return super().private_loss(batch, labels) + self.mu / 2 * distance
