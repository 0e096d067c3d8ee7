"""Is coding the bottleneck? 100 clients' labels coded and decoded, against one client's distillation on them."""

from __future__ import annotations

import torch

from scarlet_pl.bench.timing import race, report
from scarlet_pl.client import ClientConfig, ClientRunner, ClientTask
from scarlet_pl.data import FederatedData, ImageTransform, LabelledSamples, Samples, Split
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.wire import Quantized

CLIENTS, SAMPLES, CLASSES, CHANGED = 100, 80_000, 10, 0.1


def run() -> None:
    """n = 80,000, N = 10, b = 1, delta, a tenth of the labels changed; LeNet-5 on 28 × 28, one pass, batches of 50."""
    draws = torch.Generator().manual_seed(0)
    codec = Quantized(1, delta=True)
    last = codec.quantize(torch.rand(SAMPLES, CLASSES, generator=draws).mul(5).softmax(-1), draws)
    fresh = codec.quantize(torch.rand(SAMPLES, CLASSES, generator=draws).mul(5).softmax(-1), draws)
    changed = torch.rand(SAMPLES, generator=draws) < CHANGED
    labels = torch.where(changed[:, None], fresh, last)

    def code() -> None:
        for _ in range(CLIENTS):
            codec.decode(codec.encode(labels, last), SAMPLES, CLASSES, last)

    runner = ClientRunner(ClientConfig(models="lenet5", distillation_epochs=1), _data(draws), seed=0)
    task = ClientTask(0, 0, distill=SoftLabels(torch.arange(SAMPLES), labels))
    sides = {"distil, 1 client, 1 pass": lambda: runner.run(task, None), f"code, {CLIENTS} clients": code}
    seconds = race(sides, repeats=3)
    report(f"{SAMPLES:,} one-bit labels of {CLASSES} classes, delta", seconds, "distil, 1 client, 1 pass")


def _data(draws: torch.Generator) -> FederatedData:
    one = LabelledSamples({"image": torch.zeros(1, 1, 28, 28, dtype=torch.uint8)}, torch.zeros(1, dtype=torch.int64))
    public = torch.randint(0, 256, (SAMPLES, 1, 28, 28), generator=draws, dtype=torch.uint8)
    split, transform = Split.equal(torch.zeros(1, 1, dtype=torch.int64)), ImageTransform()
    facts = {"num_classes": CLASSES, **transform.facts(one.shapes)}
    return FederatedData(one, one, Samples.images(public), split, split, CLASSES, transform, facts)
