"""Distillation losses."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def distillation_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """(1/B) Σ_x KL(target_x ‖ softmax(logits_x)): logits (B, N), targets (B, N) distributions → scalar.

    Source: SCARLET (arXiv 2504.19602), the loss of its clients and of its server.
    """
    return F.kl_div(F.log_softmax(logits, -1), targets, reduction="batchmean")
