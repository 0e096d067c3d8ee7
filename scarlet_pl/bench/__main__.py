"""`python -m scarlet_pl.bench NAME`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch

from scarlet_pl.bench import cache, checkpoint, codec, fedavg, network, population, round

BENCHMARKS: dict[str, Callable[[], None]] = {
    "cache": cache.run,
    "checkpoint": checkpoint.run,
    "codec": codec.run,
    "fedavg": fedavg.run,
    "network": network.run,
    "population": population.run,
    "round": round.run,
    "scaling": round.scaling,
}


def main() -> None:
    """Run one benchmark by name, on one intra-op thread."""
    parser = argparse.ArgumentParser(prog="python -m scarlet_pl.bench", description="Benchmarks that print ratios.")
    parser.add_argument("name", choices=BENCHMARKS)
    torch.set_num_threads(1)
    BENCHMARKS[parser.parse_args().name]()


if __name__ == "__main__":
    main()
