"""`scarlet-pl estimate`: what a configuration will send, in seconds, without its data."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.cli import LightningArgumentParser

from scarlet_pl import rng
from scarlet_pl.cli.app import FederatedCLI
from scarlet_pl.cli.guard import guarded
from scarlet_pl.errors import require
from scarlet_pl.methods import Distillation, Population
from scarlet_pl.models import build
from scarlet_pl.report.estimate import UntrainedServer, estimate, print_estimate


def run(argv: list[str]) -> int:
    """`scarlet-pl estimate …`; the exit code."""
    argv[:2] = [argv[0]]
    return guarded(lambda: EstimateCLI(run=False))


class EstimateCLI(FederatedCLI):
    """Takes the same configuration as `fit`."""

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_default_arguments_to_parser(parser)
        parser.add_argument("--rounds", type=int | None, help="Communication rounds; trainer.max_rounds when null.")

    def instantiate_classes(self) -> None:
        settings: Any = self.parser.instantiate_classes(self.config)
        rounds = settings.trainer["max_rounds"] if settings.rounds is None else settings.rounds
        require(rounds >= 1, "rounds", rounds, "an integer >= 1")
        seed, data, method = settings.seed_everything, settings.data, settings.method
        classes, public_size, shape = data.facts
        with rng.seeded(seed, "probe"):
            network = build(settings.server.model, "server.model", classes, shape)
        population = Population(seed, data.num_clients, public_size, classes)
        bounded = isinstance(method, Distillation) and not method.exact_sizes
        print_estimate(estimate(method, population, rounds, UntrainedServer(network, classes)), bounded)
