"""Networks by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scarlet_pl.errors import ConfigError
from scarlet_pl.models import build, check


def facts(classes: int, shape: tuple[int, int, int]) -> dict[str, object]:
    """What a federation of images says of itself to networks."""
    return {"num_classes": classes, "in_channels": shape[0], "image_size": shape[1:]}


class Own(nn.Sequential):
    """A user's network, without any of our argument names but one."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(12, num_classes))


@pytest.mark.parametrize(
    ("name", "classes", "count"),
    [
        ("resnet8", 10, 75_290),
        ("resnet20", 10, 269_722),
        ("resnet20", 100, 275_572),
        ("resnet32", 10, 464_154),
        ("resnet56", 10, 853_018),
    ],
)
def test_resnet_parameters(name: str, classes: int, count: int) -> None:
    network = build(name, "m", facts(classes, (3, 32, 32)))
    assert sum(p.numel() for p in network.parameters()) == count


def test_resnet20_bytes_of_fedavg() -> None:
    """1,078,888 B of parameters and 5,656 B of BatchNorm buffers."""
    network = build("resnet20", "m", facts(10, (3, 32, 32)))
    buffers = [b for name, b in network.named_buffers()]
    assert sum(p.numel() * 4 for p in network.parameters()) == 1_078_888
    assert sum(b.numel() * b.element_size() for b in buffers) == 5_656


@pytest.mark.parametrize(
    ("name", "count"),
    [
        # convolutions 64·(3·9 + 1) + 192·(64·9 + 1) + 384·(192·9 + 1) + 256·(384·9 + 1) + 256·(256·9 + 1) = 2,251,584,
        # then 4096·(1024 + 1) + 4096·(4096 + 1) + 10·(4096 + 1) = 21,020,682; CFD: 23.2 M
        ("alexnet", 23_272_266),
        # convolutions of torchvision's VGG-11: 9,220,480; 2·512·(512 + 1) + 10·(512 + 1) = 530,442
        ("vgg11", 9_750_922),
        # and 2 for each of 64 + 128 + 2·256 + 4·512 = 2,752 channels
        ("vgg11_bn", 9_756_426),
        # convolutions of torchvision's VGG-16: 14,714,688; 530,442
        ("vgg16", 15_245_130),
        # and 2 for each of 2·64 + 2·128 + 3·256 + 6·512 = 4,224 channels; CFD: 15.2 M, 61.01 MB in float32
        ("vgg16_bn", 15_253_578),
        # torchvision's with 10 classes has 11,181,642, of which the first convolution is 64·3·49, here 64·3·9
        ("resnet18", 11_173_962),
    ],
)
def test_parameters_of_the_networks_of_cfd(name: str, count: int) -> None:
    with torch.device("meta"):
        network = build(name, "m", facts(10, (3, 32, 32)))
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("cnn", (1, 8, 8)),
        ("cnn", (3, 32, 32)),
        ("logistic", (1, 8, 8)),
        ("logistic", (3, 32, 32)),
        ("mlp", (1, 8, 8)),
        ("lenet5", (1, 28, 28)),
        ("lenet5", (3, 32, 32)),
        ("resnet20", (1, 28, 28)),
        ("resnet18", (1, 8, 8)),
        ("alexnet", (1, 40, 32)),
        ("vgg11_bn", (3, 64, 48)),
        ("vgg16", (3, 32, 32)),
        ("torchvision/resnet18", (3, 32, 32)),
        ("tests.test_models.Own", (1, 3, 4)),
    ],
)
def test_every_model_runs_forward_and_backward(name: str, shape: tuple[int, int, int]) -> None:
    network = build(name, "m", facts(5, shape))
    check(network, name, "m", {"image": torch.zeros(2, *shape)}, 5)
    assert network.training
    network(torch.randn(4, *shape)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_logistic_is_one_linear_layer() -> None:
    """784 · 10 weights and 10 biases; linear, but for the biases."""
    network = build("logistic", "m", facts(10, (1, 28, 28)))
    assert sum(p.numel() for p in network.parameters()) == 7_850
    one, other, none = (torch.zeros(1, 1, 28, 28) for _ in range(3))
    one[0, 0, 3, 4], other[0, 0, 20, 7] = 1.0, 2.0
    assert torch.allclose(network(one) + network(other) - network(none), network(one + other), atol=1e-6)


def test_lenet5_has_the_size_of_lenet5() -> None:
    assert sum(p.numel() for p in build("lenet5", "m", facts(10, (1, 28, 28))).parameters()) == 61_706


def test_options_of_a_model() -> None:
    small, large = (build({"name": "cnn", "width": width}, "m", facts(10, (1, 8, 8))) for width in (4, 8))
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in large.parameters())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnett20", "did you mean 'resnet20'"),
        ("lenet5", "a model for samples of image 1 × 8 × 8"),
        ({"name": "cnn", "num_classes": 7}, "10 outputs"),
        ({"name": "cnn", "depth": 7}, "depth"),
        ({"width": 7}, "a model's name"),
        ("tests.test_models.NotThere", "can be imported"),
        ("torchvision/resnet18", "expected input"),
        ("vgg16_bn", r"vgg16 needs images of at least 32 × 32 pixels: set data\.transform\.size"),
        ("alexnet", r"alexnet needs images of at least 32 × 32 pixels"),
    ],
)
def test_a_model_that_does_not_fit(spec: str | dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"client\.models: got .*{message}"):
        check(
            build(spec, "client.models", facts(10, (1, 8, 8))),
            spec,
            "client.models",
            {"image": torch.zeros(2, 1, 8, 8)},
            10,
        )
