"""What is done to pixels: (n, C, H, W) float32."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Images turned about their middle, counter-clockwise by degrees (n,): bilinear, 0 where nothing was."""
    height, width = images.shape[-2:]
    sine, cosine, zero = degrees.deg2rad().sin(), degrees.deg2rad().cos(), torch.zeros_like(degrees)
    rows = [cosine, -sine * height / width, zero, sine * width / height, cosine, zero]
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def add_noise(images: Tensor, levels: Tensor, rng: torch.Generator) -> Tensor:
    """Images with Gaussian noise of standard deviations `levels`, (n,)."""
    return images + levels[:, None, None, None] * torch.randn(images.shape, generator=rng)
