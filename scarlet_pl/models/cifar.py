"""The networks of CFD's experiments (arXiv 2012.00632, section V) in their forms for 32 × 32 images.

With 3 channels and 10 classes they have the sizes that the paper gives: AlexNet 23.27 M parameters, VGG-16 with batch
normalisation 15.25 M, ResNet-18 11.17 M.
"""

from __future__ import annotations

from torch import Tensor, nn

_VGG = {
    11: ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    16: ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
}
"""Channels of the 3 × 3 convolutions between two poolings: configurations A and D of Simonyan and Zisserman 2015."""


class AlexNet(nn.Module):
    """AlexNet (Krizhevsky et al. 2012) without batch normalisation: its five convolutions with kernels of 3 × 3 and a
    first stride of 2, its two hidden layers of 4096 units.

    (B, C, H, W) → (B, num_classes), H and W at least 32; larger images are averaged to the 2 × 2 of 32 × 32.

    Args:
        dropout: before each hidden layer.
    """

    def __init__(self, num_classes: int, in_channels: int, image_size: tuple[int, int], dropout: float = 0.5) -> None:
        super().__init__()
        _at_least_32("alexnet", image_size)
        self.features = nn.Sequential(
            *_convolution(in_channels, 64, stride=2),
            nn.MaxPool2d(2),
            *_convolution(64, 192),
            nn.MaxPool2d(2),
            *_convolution(192, 384),
            *_convolution(384, 256),
            *_convolution(256, 256),
            nn.MaxPool2d(2),
            _averaged(image_size, 16, 2),
        )
        self.classifier = _classifier(256 * 2 * 2, 4096, num_classes, dropout)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x))
        return logits


class VGG(nn.Module):
    """VGG-11 or VGG-16 (Simonyan and Zisserman 2015) with hidden layers of 512 units.

    (B, C, H, W) → (B, num_classes), H and W at least 32; larger images are averaged to the 1 × 1 of 32 × 32.

    Args:
        depth: 11 or 16.
        batch_norm: whether each convolution is followed by batch normalisation.
        dropout: before each hidden layer.
    """

    def __init__(
        self,
        depth: int,
        batch_norm: bool,
        num_classes: int,
        in_channels: int,
        image_size: tuple[int, int],
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        _at_least_32(f"vgg{depth}", image_size)
        layers, channels = list[nn.Module](), in_channels
        for stage in _VGG[depth]:
            for width in stage:
                layers += _convolution(channels, width, batch_norm=batch_norm)
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers, _averaged(image_size, 32, 1))
        self.classifier = _classifier(512, 512, num_classes, dropout)
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x))
        return logits


def resnet18(num_classes: int, in_channels: int) -> nn.Module:
    """torchvision's ResNet-18, with batch normalisation, whose first convolution is 3 × 3 without stride and without
    pooling after it: for small images of any size, (B, C, H, W) → (B, num_classes)."""
    import torchvision.models

    network: nn.Module = torchvision.models.resnet18(weights=None, num_classes=num_classes)
    stem = nn.Conv2d(in_channels, 64, 3, 1, 1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    network.conv1, network.maxpool = stem, nn.Identity()
    return network


def _convolution(inside: int, outside: int, stride: int = 1, batch_norm: bool = False) -> list[nn.Module]:
    norm = [nn.BatchNorm2d(outside)] if batch_norm else []
    return [nn.Conv2d(inside, outside, 3, stride, 1), *norm, nn.ReLU()]


def _classifier(inside: int, width: int, num_classes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(inside, width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, num_classes),
    )


def _averaged(image_size: tuple[int, int], factor: int, size: int) -> nn.Module:
    """Brings features, by `factor` smaller than the image, to size × size; nothing where they are that."""
    same = all(side // factor == size for side in image_size)
    return nn.Identity() if same else nn.AdaptiveAvgPool2d(size)


def _at_least_32(name: str, image_size: tuple[int, int]) -> None:
    if min(image_size) < 32:
        raise ValueError(f"{name} needs images of at least 32 × 32 pixels: set data.transform.size")
