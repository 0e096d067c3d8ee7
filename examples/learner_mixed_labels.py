"""A server that learns hard labels where the clients are sure, and soft ones at a temperature where they are not.

The loss of a public sample with soft label t is (1 − w) T² KL(t at T ‖ model at T) + w CE(model, argmax t), where w is
t's largest probability. (A mix with one weight for all samples needs no code: `learner.hard_share`.)
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scarlet_pl.data import Batch
from scarlet_pl.functional.losses import tempered
from scarlet_pl.learning import Learner


class SureLabels(Learner):
    """Soft and hard labels, mixed sample by sample.

    Args:
        temperature: T of the soft part.
    """

    def __init__(self, network: nn.Module, temperature: float = 2.0) -> None:
        super().__init__(network, temperature=temperature)

    def distillation_loss(self, batch: Batch, labels: Tensor) -> Tensor:
        logits, t = self(batch)[: len(labels)], self.temperature
        model, target = F.log_softmax(logits / t, -1), tempered(labels, t)
        soft = t**2 * F.kl_div(model, target, reduction="none").sum(-1)
        sure, best = labels.max(-1)
        hard = F.cross_entropy(logits, best, reduction="none")
        return torch.lerp(soft, hard, sure).mean()
