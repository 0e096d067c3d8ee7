"""What a configuration will send, without training: the method itself is run, with empty labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from scarlet_pl.availability import Availability, Uniform
from scarlet_pl.client import ClientConfig, ClientResult, State
from scarlet_pl.data import FederatedData, LabelledSamples, Samples, Split, Transform
from scarlet_pl.executors import Answer, Executor, Job, RunnerSpec
from scarlet_pl.federation import Federation, FederationConfig
from scarlet_pl.methods import Method, Population, ServerView
from scarlet_pl.round import ClientPhase
from scarlet_pl.wire import DIRECTIONS

_MOST_SAMPLES = 2**28 - 1
"""Of a client: their number takes one to four bytes."""


@dataclass(frozen=True)
class RoundEstimate:
    """One round: samples, clients, and bytes of the whole cohort by "direction/kind", kinds as in rounds.csv."""

    round: int
    cohort: int
    hits: int
    requests: int
    bytes: dict[str, int]


class UntrainedServer:
    """A server's view for an estimate: weights of the right size, predictions without content."""

    def __init__(self, network: nn.Module, classes: int) -> None:
        self._weights, self._classes = dict(network.state_dict()), classes

    def predict_public(self, indices: Tensor) -> Tensor:
        """(n, N), all classes equally likely."""
        return torch.full((len(indices), self._classes), 1 / self._classes)

    def weights(self) -> dict[str, Tensor]:
        """The network's weights."""
        return self._weights


class _Idle(Executor):
    """Clients that learn nothing and predict that all classes are equally likely.

    Args:
        weights: what they have; nothing where none are sent, so that none are stored.
    """

    def __init__(self, classes: int, weights: State) -> None:
        self._classes, self._weights = classes, weights

    def setup(self, spec: RunnerSpec) -> None:
        pass

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        for job in jobs:
            asked = job.task.predict
            labels = None if asked is None else torch.full((len(asked), self._classes), 1 / self._classes)
            yield ClientResult(job.task.client, self._weights, _MOST_SAMPLES, asked=asked, labels=labels)


class _Attentive(Availability):
    """Clients that always answer, and in time; cohorts are another's."""

    def __init__(self, of: Availability) -> None:
        self._of = of

    def cohort(self, seed: int, round: int, clients: int) -> tuple[int, ...]:
        return self._of.cohort(seed, round, clients)


def estimate(
    method: Method,
    availability: Availability,
    population: Population,
    rounds: int,
    server: ServerView,
    shown: Callable[[range], Iterable[int]] = iter,
) -> list[RoundEstimate]:
    """Run the federation for so many rounds with clients that learn nothing.

    Exact for codecs whose length does not depend on the labels; an upper bound for the others. Where all clients
    take part they are all alike, and one stands for all.

    Args:
        availability: says who takes part; an estimate knows of nobody who drops out or is late.
        shown: gives the rounds on, and shows how many are done.
    """
    everybody, clients = tuple(range(population.clients)), population.clients
    alike = all(availability.cohort(population.seed, round, clients) == everybody for round in range(rounds))
    scale, present = (clients, Uniform()) if alike else (1, _Attentive(availability))
    method = method.sizes_alone()
    nobody = _skeleton(population.clients // scale, population.public_size, population.classes)
    idle = _Idle(population.classes, server.weights() if method.one_model else {})
    config = FederationConfig(present)
    federation = Federation(nobody, ClientConfig(), method, idle, population.seed, config=config)
    return [_scaled(federation.run_round(round, server), scale) for round in shown(range(rounds))]


def _skeleton(clients: int, public_size: int, classes: int) -> FederatedData:
    """As many clients and public samples as there are, and nothing in them."""
    one = LabelledSamples({"nothing": torch.zeros(1, 0)}, torch.zeros(1, dtype=torch.int64))
    public = Samples({"nothing": torch.zeros(public_size, 0)})
    split = Split.equal(torch.zeros(clients, 1, dtype=torch.int64))
    return FederatedData(one, one, public, split, split, classes, Transform(), {"num_classes": classes})


def print_estimate(rounds: list[RoundEstimate], bounded: bool, console: Console | None = None) -> None:
    """Some of the rounds, the last among them, and the total: samples, bytes of a client and of all, in both counts,
    with and without a cache."""
    console = console or Console()
    bound = " (at most: the rest is known only in a run)" if bounded else ""
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, title=f"bytes of a participant in a round{bound}"
    )
    for name in ("round", "cohort", "requests", "hits", "up", "down", "official\nup", "official\ndown", "MB of\nall"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in [*rounds[: -1 : max(1, len(rounds) // 10)], rounds[-1]]:
        sent = [each.bytes[f"{kind}/{way}"] for kind in ("bytes", "paper_bytes") for way in DIRECTIONS]
        samples = (str(each.round), str(each.cohort), str(each.requests), str(each.hits))
        shares = (f"{value // max(each.cohort, 1):,}" for value in sent)
        table.add_row(*samples, *shares, f"{(sent[0] + sent[1]) / 1e6:.3f}")
    console.print(table)
    sums = {key: sum(each.bytes[key] for each in rounds) for key in rounds[0].bytes}
    console.print(_totals(sums, max(1.0, sum(each.cohort for each in rounds) / len(rounds)), len(rounds)))
    for label, kind in (("as sent", "bytes"), ("official count", "paper_bytes")):
        without = sums.get(f"no_cache_{kind}/up", 0) + sums.get(f"no_cache_{kind}/down", 0)
        if without:
            share = (sums[f"{kind}/up"] + sums[f"{kind}/down"]) / without
            amount = f"{without / 1e9:.4g} GB" if without >= 1e9 else f"{without / 1e6:.4g} MB"
            console.print(f"{label}: {share:.3f} of the {amount} that it takes without a cache")


def _totals(sums: dict[str, int], cohort: float, rounds: int) -> Table:
    total = Table(box=SIMPLE_HEAD, pad_edge=False, title=f"{rounds} rounds")
    for name in ("", "MB up", "MB down", "MB", "MB a\nparticipant"):
        total.add_column(name, justify="right" if name else "left", no_wrap=True)
    for label, kind in _KINDS:
        if f"{kind}/up" in sums:
            up, down = sums[f"{kind}/up"] / 1e6, sums[f"{kind}/down"] / 1e6
            total.add_row(label, *(f"{v:,.3f}" for v in (up, down, up + down, (up + down) / cohort)))
    return total


_KINDS = (
    ("as sent", "bytes"),
    ("  without a cache", "no_cache_bytes"),
    ("official count", "paper_bytes"),
    ("  without a cache", "no_cache_paper_bytes"),
)


def _scaled(phase: ClientPhase, scale: int) -> RoundEstimate:
    plan, traffic = phase.plan, phase.traffic
    sent = {}
    for direction in DIRECTIONS:
        sent[f"bytes/{direction}"] = scale * traffic.total(direction)
        sent[f"paper_bytes/{direction}"] = scale * traffic.part(direction, "paper")
    sent |= {name: scale * value for name, value in plan.compared(traffic).items()}
    return RoundEstimate(plan.round, scale * len(plan.cohort), plan.reused, len(plan.request), sent)
