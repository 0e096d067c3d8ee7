"""Images in memory as bytes, and what is done to a batch of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scarlet_pl.errors import require


@dataclass(frozen=True)
class ImageSet:
    """Images (n, C, H, W) uint8 and their labels (n,) int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def select(self, indices: Tensor) -> ImageSet:
        """The images and labels at `indices`."""
        return ImageSet(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class ImageTransform:
    """What is done to images: brought together once, normalised in each batch, augmented where they train.

    Soft labels are always predicted on images without augmentation.

    Args:
        size: height and width of all images in pixels; the private source's own when null.
        channels: 1 (grey) or 3 (colour) for all images; the private source's own when null.
        mean: subtracted from pixels in [0, 1].
        std: divides them then.
        flip: whether images that are trained on are mirrored at random.
        crop_padding: pixels of padding before a random crop of images that are trained on; 0 is no crop.
    """

    size: int | None = None
    channels: int | None = None
    mean: float = 0.5
    std: float = 0.5
    flip: bool = False
    crop_padding: int = 0

    def __post_init__(self) -> None:
        require(self.size is None or self.size >= 1, "data.images.size", self.size, "an integer >= 1, or null")
        require(self.channels in (None, 1, 3), "data.images.channels", self.channels, "1, 3 or null")
        require(self.std > 0, "data.images.std", self.std, "a number > 0")
        require(self.crop_padding >= 0, "data.images.crop_padding", self.crop_padding, "an integer >= 0")

    def __call__(self, images: Tensor, draws: Tensor | None = None) -> Tensor:
        """(B, C, H, W) uint8 → (B, C, H, W) float32, ((x / 255) - mean) / std.

        Args:
            images: the batch.
            draws: how each image is augmented, as `draw` says; None leaves them as they are.
        """
        if draws is not None:
            images = self._augment(images, *draws.to(images.device))
        return images.to(torch.float32).div_(255.0).sub_(self.mean).div_(self.std)

    def draw(self, count: int, rng: torch.Generator) -> Tensor | None:
        """(3, count) int64: whether each image is mirrored, and the row and column at which it is cropped.

        Drawn for a whole batch, so that ranks which share the batch each take their images' columns.
        """
        if not (self.flip or self.crop_padding):
            return None
        mirrored = torch.rand(count, generator=rng) < 0.5 if self.flip else torch.zeros(count, dtype=torch.bool)
        corners = torch.randint(2 * self.crop_padding + 1, (2, count), generator=rng)
        return torch.cat([mirrored[None].long(), corners])

    def _augment(self, images: Tensor, mirrored: Tensor, top: Tensor, left: Tensor) -> Tensor:
        count, device = len(images), images.device
        if self.flip:
            images = torch.where(mirrored.bool()[:, None, None, None], images.flip(-1), images)
        if self.crop_padding:
            height, width = images.shape[-2:]
            padded = F.pad(images, (self.crop_padding,) * 4)
            rows = (top[:, None] + torch.arange(height, device=device))[:, None, :, None]
            columns = (left[:, None] + torch.arange(width, device=device))[:, None, None, :]
            which = torch.arange(count, device=device)[:, None, None, None]
            channel = torch.arange(images.shape[1], device=device)[None, :, None, None]
            images = padded[which, channel, rows, columns]
        return images


@dataclass(frozen=True)
class FederatedData:
    """All that a federation trains and is tested on. Public labels are not in it: no method can see them.

    Attributes:
        train, test: the private data of all clients.
        public: (P, C, H, W) uint8.
        train_shards, test_shards: (clients, samples) int64, rows into `train` and `test`.
    """

    train: ImageSet
    test: ImageSet
    public: Tensor
    train_shards: Tensor
    test_shards: Tensor
    num_classes: int
    transform: ImageTransform

    @property
    def num_clients(self) -> int:
        """Number of clients."""
        return len(self.train_shards)

    @property
    def private_labels(self) -> Tensor:
        """(clients · samples,) classes of all clients' training samples, client by client."""
        return self.train.labels[self.train_shards.reshape(-1)]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.public.shape[1:]
        return channels, height, width


def bring_together(images: Tensor, channels: int, size: tuple[int, int]) -> Tensor:
    """Images (n, C, H, W) uint8 with another number of channels (1 or 3) and another size (H', W').

    Grey becomes colour by repetition, colour grey by the ITU-R 601 luma; sizes by antialiased bilinear sampling,
    in blocks, so that a large set is never held as floats.
    """
    if images.shape[1] == channels and tuple(images.shape[-2:]) == size:
        return images
    return torch.cat([_bring_block(block, channels, size) for block in images.split(4096)])


def _bring_block(images: Tensor, channels: int, size: tuple[int, int]) -> Tensor:
    floats = images.to(torch.float32)
    if channels == 1 and floats.shape[1] == 3:
        floats = (floats * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    elif channels == 3 and floats.shape[1] == 1:
        floats = floats.expand(-1, 3, -1, -1)
    if tuple(floats.shape[-2:]) != size:
        floats = F.interpolate(floats, size, mode="bilinear", antialias=True, align_corners=False)
    return floats.round().clamp(0, 255).to(torch.uint8)
