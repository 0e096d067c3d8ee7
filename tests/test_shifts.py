"""Feature shift: each client's own images are turned and noisy in its own way, all others stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scarlet_pl import rng
from scarlet_pl.data import FederatedDataModule, ImageShift, Samples, Transform
from scarlet_pl.errors import ConfigError
from scarlet_pl.functional.images import add_noise, rotate

from .test_cli import QUICK, SCARLET, scarlet_pl
from .test_samples import sequences


def random_images(count: int, height: int = 6, width: int = 6) -> torch.Tensor:
    return torch.randint(0, 256, (count, 2, height, width), generator=torch.Generator().manual_seed(0)).float()


@pytest.mark.parametrize("quarters", [0, 1, 2, 3, -1])
def test_quarter_turns_are_exact(quarters: int) -> None:
    images = random_images(3)
    turned = rotate(images, torch.full((3,), 90.0 * quarters))
    assert (turned - torch.rot90(images, quarters, (2, 3))).abs().max() < 0.01


def test_a_half_turn_of_images_that_are_not_square() -> None:
    images = random_images(2, 4, 7)
    assert (rotate(images, torch.full((2,), 180.0)) - images.flip(2, 3)).abs().max() < 0.01


def test_a_pixel_turned_by_hand() -> None:
    """3 × 3 with a pixel right of the middle, at (1, 0) seen from there. Turned by 45° it is at (√½, √½):
    nearest to the upper right corner, and what is left of the middle stays empty."""
    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 1, 2] = 1
    turned = rotate(image, torch.tensor([45.0]))[0, 0]
    # the corner (1, 1) was at (√2, 0), between 1 and the empty outside at 2: 2 - √2
    assert float(turned[0, 2]) == pytest.approx(2 - 2**0.5, abs=1e-5)
    # (0, 1) was at (√½, -√½) and (1, 0) at (√½, √½) of the image's axes: weights √½ by 1 - √½
    assert float(turned[0, 1]) == pytest.approx(0.5**0.5 * (1 - 0.5**0.5), abs=1e-5)
    assert float(turned[1, 2]) == pytest.approx(0.5**0.5 * (1 - 0.5**0.5), abs=1e-5)
    assert turned[:, 0].tolist() == [0, 0, 0]


def test_noise_has_its_level() -> None:
    noisy = add_noise(torch.zeros(2, 1, 100, 100), torch.tensor([0.0, 0.2]), torch.Generator().manual_seed(0))
    assert noisy[0].abs().max() == 0
    assert float(noisy[1].std()) == pytest.approx(0.2, rel=0.03)


def digits(**options: object) -> FederatedDataModule:
    return FederatedDataModule(num_clients=4, **options)  # type: ignore[arg-type]


def test_only_the_clients_own_samples_are_shifted() -> None:
    plain, shifted = digits(), digits(shift=ImageShift(degrees=60))
    assert torch.equal(plain.data.public.fields["image"], shifted.data.public.fields["image"])
    assert torch.equal(plain.data.train_shards.rows, shifted.data.train_shards.rows)
    tests = [list(module.val_dataloader()) for module in (plain, shifted)]
    for (before, _), (after, _) in zip(*tests, strict=True):
        assert torch.equal(before["image"], after["image"])
    for part in ("train", "test"):
        before, after = (getattr(module.data, part) for module in (plain, shifted))
        owners = getattr(plain.data, f"{part}_shards").owners(len(before))
        for client in range(4):
            angle = 60 * (2 * rng.uniform(0, "angle", client=client) - 1)
            own = before.fields["image"][owners == client]
            expected = rotate(own.float(), torch.full((len(own),), angle)).round().clamp(0, 255)
            assert (expected - after.fields["image"][owners == client].float()).abs().max() <= 1
            assert not torch.equal(own, after.fields["image"][owners == client])
        assert torch.equal(before.fields["image"][owners < 0], after.fields["image"][owners < 0])


def test_noise_by_client() -> None:
    images, owners = torch.full((4000, 1, 8, 8), 128, dtype=torch.uint8), torch.arange(4000) % 4 - 1
    shift = ImageShift(noise=0.2)
    found = shift(Samples({"image": images}), owners, 3, torch.Generator().manual_seed(0)).fields["image"]
    again = shift(Samples({"image": images}), owners, 3, torch.Generator().manual_seed(0)).fields["image"]
    assert torch.equal(found, again)
    assert torch.equal(found[owners < 0], images[owners < 0])
    for client in range(3):
        level = 0.2 * rng.uniform(3, "noise_level", client=client)
        assert float(found[owners == client].double().std()) / 255 == pytest.approx(level, rel=0.03)


def test_no_angle_and_no_noise_change_nothing() -> None:
    samples = Samples({"image": random_images(5).byte()})
    found = ImageShift()(samples, torch.zeros(5, dtype=torch.int64), 0, torch.Generator())
    assert torch.equal(found.fields["image"], samples.fields["image"])


def test_a_shift_that_does_not_fit() -> None:
    with pytest.raises(ConfigError, match=r"data\.shift: got 'ImageShift', allowed: a shift for samples of input_ids"):
        _ = sequences(shift=ImageShift(10), transform=Transform()).data
    with pytest.raises(ConfigError, match=r"data\.shift\.degrees: got 200, allowed: a number in \[0, 180\]"):
        ImageShift(degrees=200)
    with pytest.raises(ConfigError, match=r"data\.shift\.noise: got -1, allowed: a number in \[0, 1\]"):
        ImageShift(noise=-1)


def test_it_is_set_on_the_command_line(tmp_path: Path) -> None:
    flags = ("--data.shift", "ImageShift", "--data.shift.degrees", "45", "--data.partition", "QuantitySkew")
    run = ("--run_dir", str(tmp_path / "run"), *QUICK, "--trainer.max_rounds", "1", "--executor", "Serial")
    assert scarlet_pl("fit", "--config", SCARLET, *run, *flags) == 0
