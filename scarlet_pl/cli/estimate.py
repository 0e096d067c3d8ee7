"""`scarlet-pl estimate`: what a configuration will send, without training and without its data."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser
from rich.console import Console
from rich.progress import track

from scarlet_pl import rng
from scarlet_pl.cli.app import FederatedCLI
from scarlet_pl.cli.guard import guarded
from scarlet_pl.cli.help import asked
from scarlet_pl.cli.parser import Parser
from scarlet_pl.cli.settings import ready
from scarlet_pl.errors import require
from scarlet_pl.methods import Population
from scarlet_pl.models import build
from scarlet_pl.report.estimate import RoundEstimate, UntrainedServer, estimate, print_estimate


def run(argv: list[str]) -> int:
    """`scarlet-pl estimate …`; the exit code."""
    argv[:2] = [argv[0]]
    torch.set_num_threads(1)  # more of them only wait for one another
    return guarded(lambda: _run(argv))


def _run(argv: list[str]) -> None:
    argv[1:], Parser.help_of = asked(ready(argv[1:]))
    EstimateCLI(run=False)


class EstimateCLI(FederatedCLI):
    """Takes the same configuration as `fit`."""

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_default_arguments_to_parser(parser)
        parser.add_argument("--rounds", type=int | None, help="Communication rounds; trainer.max_rounds when null.")

    def instantiate_classes(self) -> None:
        settings = self.make_settings()
        ok = settings.run_dir is None or bool(settings.config)
        require(ok, "run_dir", settings.run_dir, "nothing without --config: a run's own is in its folder, config.yaml")
        rounds, exact = estimates(settings, settings.rounds)
        print_estimate(rounds, not exact)


def estimates(settings: Namespace, rounds: int | None) -> tuple[list[RoundEstimate], bool]:
    """What each round will send, and whether that is exact."""
    rounds = settings.trainer["max_rounds"] if rounds is None else rounds
    require(rounds >= 1, "rounds", rounds, "an integer >= 1")
    seed, data, method = settings.seed_everything, settings.data, settings.method
    classes, public_size, facts = data.facts
    with rng.seeded(seed, "probe"):
        network = build(settings.server.model, "server.model", facts)
    population = Population(seed, data.num_clients, public_size, classes)
    available = settings.federation.availability
    server, console = UntrainedServer(network, classes), Console(stderr=True)

    def shown(rounds: range) -> Iterable[int]:
        return track(rounds, "rounds", console=console, transient=True, disable=not console.is_terminal)

    return estimate(method, available, population, rounds, server, shown), method.exact_sizes
