"""Small networks for small images."""

from __future__ import annotations

from torch import nn


class LeNet5(nn.Sequential):
    """LeNet-5 (LeCun et al. 1998) with ReLU and max pooling, for 28 × 28 or 32 × 32 images."""

    def __init__(self, num_classes: int, in_channels: int, image_size: tuple[int, int]) -> None:
        padding = 2 if image_size == (28, 28) else 0
        height, width = (((side + 2 * padding - 4) // 2 - 4) // 2 for side in image_size)
        super().__init__(
            nn.Conv2d(in_channels, 6, 5, padding=padding),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * height * width, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )


class CNN(nn.Sequential):
    """Two 3 × 3 convolutions, a 2 × 2 pooling and a hidden layer, for any image of at least 4 × 4.

    Args:
        width: channels of the first convolution; the second has twice as many.
    """

    def __init__(self, num_classes: int, in_channels: int, image_size: tuple[int, int], width: int = 16) -> None:
        # pooling 4 × 4 to 4 × 4 changes nothing and takes a fifth of a step
        pooled = nn.Identity() if tuple(side // 2 for side in image_size) == (4, 4) else nn.AdaptiveAvgPool2d(4)
        super().__init__(
            nn.Conv2d(in_channels, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            pooled,
            nn.Flatten(),
            nn.Linear(32 * width, 64),
            nn.ReLU(),
            nn.Linear(64, num_classes),
        )


class Logistic(nn.Sequential):
    """Multinomial logistic regression: one linear layer on the flattened image."""

    def __init__(self, num_classes: int, in_channels: int, image_size: tuple[int, int]) -> None:
        height, width = image_size
        super().__init__(nn.Flatten(), nn.Linear(in_channels * height * width, num_classes))


class MLP(nn.Sequential):
    """Two hidden layers of `width` units on the flattened image."""

    def __init__(self, num_classes: int, in_channels: int, image_size: tuple[int, int], width: int = 64) -> None:
        height, width_in = image_size
        super().__init__(
            nn.Flatten(),
            nn.Linear(in_channels * height * width_in, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, num_classes),
        )
