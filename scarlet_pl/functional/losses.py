"""Losses of distillation: (B, N) logits of the model and (B, N) soft labels to a scalar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Distance = Literal["kl", "l2", "l1_logits", "l2_logits"]
"""How far a model is from soft labels; see `DISTANCES`."""


def kl(logits: Tensor, targets: Tensor) -> Tensor:
    """(1/B) Σ_x KL(target_x ‖ softmax(logits_x)).

    Source: SCARLET (arXiv 2504.19602), the loss of its clients and of its server.
    """
    return F.kl_div(F.log_softmax(logits, -1), targets, reduction="batchmean")


def l2(logits: Tensor, targets: Tensor) -> Tensor:
    """(1/B) Σ_x ‖softmax(logits_x) − target_x‖², as COMET's regulariser (Cho et al. 2023)."""
    return (logits.softmax(-1) - targets).square().sum(-1).mean()


def l1_logits(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over samples and classes of |c(z) − c(log t)|, c(v) = v − mean(v), as in FedMD (arXiv 1910.03581), which
    sends logits; a softmax forgets of them only the constant that c removes."""
    return (_centred(logits) - _logits_of(targets)).abs().mean()


def l2_logits(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over samples and classes of (c(z) − c(log t))², c(v) = v − mean(v)."""
    return (_centred(logits) - _logits_of(targets)).square().mean()


DISTANCES: dict[Distance, Callable[[Tensor, Tensor], Tensor]] = {
    "kl": kl,
    "l2": l2,
    "l1_logits": l1_logits,
    "l2_logits": l2_logits,
}


def tempered(targets: Tensor, temperature: float) -> Tensor:
    """Soft labels at another temperature: softmax(log t / T), (B, N)."""
    return torch.softmax(targets.log() / temperature, -1)


def distillation(
    logits: Tensor, targets: Tensor, distance: Distance = "kl", temperature: float = 1.0, hard_share: float = 0.0
) -> Tensor:
    """(1 − h) T² d(z / T, t at T) + h CE(z, argmax t).

    Source: Hinton et al. 2015 (arXiv 1503.02531): temperature, the factor T² and the mix with hard labels, which are
    here the soft labels' likeliest classes, for public samples have no others.

    Args:
        distance: d.
        temperature: T > 0.
        hard_share: h in [0, 1].
    """
    soft = DISTANCES[distance]
    if temperature == 1:
        loss = soft(logits, targets)
    else:
        loss = temperature**2 * soft(logits / temperature, tempered(targets, temperature))
    if hard_share == 0:
        return loss
    return (1 - hard_share) * loss + hard_share * F.cross_entropy(logits, targets.argmax(-1))


def _centred(logits: Tensor) -> Tensor:
    return logits - logits.mean(-1, keepdim=True)


def _logits_of(targets: Tensor) -> Tensor:
    """Of distributions, up to a constant of each row; a 0 counts as the least float32."""
    return _centred(targets.clamp_min(torch.finfo(torch.float32).tiny).log())
