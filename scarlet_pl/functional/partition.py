"""Which client owns which sample: every function ends, uses a sample at most once, and has no Python loop
over samples or clients.

The Dirichlet splits go the same way: shares of the classes for each client → how many samples of each class the data
can give it → the samples.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def log_dirichlet(alpha: float, rows: int, size: int, rng: np.random.Generator) -> Tensor:
    """Logarithms of `rows` draws from Dir(α·1): (rows, size), float64.

    In the log domain, because at α = 0.001 nearly every gamma variate underflows to 0 and a plain draw is 0/0:
    log Γ(α) = log Γ(α + 1) + log(U) / α.
    """
    log_gamma = np.log(rng.standard_gamma(alpha + 1, (rows, size)))
    log_gamma += np.log1p(-rng.random((rows, size))) / alpha
    return torch.log_softmax(torch.from_numpy(log_gamma.clip(min=-1e300)), -1)


def sinkhorn(log_weights: Tensor, row_total: float, column_totals: Tensor, iterations: int = 200) -> Tensor:
    """Scale exp(log_weights), (K, N), towards equal row sums and the given column sums, (N,).

    A fixed number of iterations: weights so sparse that no scaling exists still end, and `fit_to_supply` mends
    what is missing. The columns are scaled last, so that they are exact.
    """
    log_columns = column_totals.to(torch.float64).clamp_min(1e-300).log()
    scaled = log_weights.to(torch.float64)
    for _ in range(iterations):
        scaled = scaled - scaled.logsumexp(1, keepdim=True) + float(np.log(row_total))
        scaled = scaled - scaled.logsumexp(0, keepdim=True) + log_columns
    return scaled.exp()


def largest_remainder(wanted: Tensor, total: int) -> Tensor:
    """Integers near `wanted`, (K, N), whose rows sum to `total`: floors, then +1 at the largest remainders."""
    row = wanted.sum(1, keepdim=True)
    share = torch.where(row > 0, wanted / row, 1 / wanted.shape[1]) * total
    floor = share.floor()
    missing = (total - floor.sum(1)).long()
    rank = (floor - share).argsort(dim=1, stable=True).argsort(dim=1, stable=True)
    return (floor + (rank < missing[:, None])).long()


def round_to(shares: Tensor, totals: Tensor) -> Tensor:
    """Integers near `shares`, (N, K) with rows that sum to 1, times `totals`, (N,); their rows sum to these."""
    ends = (shares.cumsum(1) * totals[:, None]).round().long()
    ends[:, -1] = totals
    return ends.diff(dim=1, prepend=ends.new_zeros(len(ends), 1))


def owners_in_turn(clients: int, classes: int, each: int) -> Tensor:
    """Whether client k has class c, (N, K) bool: of N classes in a ring it has `each` that follow one another, from
    class k mod N on."""
    return (torch.arange(classes)[:, None] - torch.arange(clients)) % classes < each


def most_each(owned: Tensor, supply: Tensor) -> int:
    """The most samples of each of its classes that every client can have: owned (N, K) bool, supply (N,)."""
    owners = owned.sum(1)
    return int((supply[owners > 0] // owners[owners > 0]).min())


def share_out(log_weights: Tensor, owned: Tensor, supply: Tensor, least: int) -> Tensor:
    """How many samples of each class clients get, (K, N) int64, where a class goes to its owners alone: `least` to each
    of them, the others in proportion to exp(log_weights), (N, K).

    Args:
        owned: (N, K) bool, who owns a class; a class without owners stays undealt.
        supply: (N,) samples of each class.
        least: at most `most_each`.
    """
    finite = log_weights.clamp(-1e300, 1e300)
    shares = finite.masked_fill(~owned, -torch.inf).softmax(1).nan_to_num(0)  # no owners: 0 / 0
    spare = (supply - least * owned.sum(1)) * owned.any(1)
    return (least * owned + round_to(shares, spare)).T


def draw_until_full(priors: Tensor, share: int, supply: Tensor, rng: torch.Generator) -> Tensor:
    """Counts of the classes that clients draw from their priors, (K, N), until each has `share` samples: (K, N) int64.

    Again and again, a client that still lacks samples is drawn at random. It draws a class from its prior; if that
    is exhausted, one uniformly from those that are left (`serve`). Clients that arrive at equal rates, each no more
    once it is full, arrive in just this order: exponential times between arrivals have no memory.

    Args:
        share: samples for each client.
        supply: (N,) samples of each class, K · share or more in all.

    Source: the official code of SCARLET.
    """
    if share == 0:
        return torch.zeros(priors.shape, dtype=torch.int64)
    wanted = torch.multinomial(priors, share, replacement=True, generator=rng).view(-1)
    arrivals = torch.empty(len(priors), share, dtype=torch.float64).exponential_(generator=rng).cumsum(1)
    order = arrivals.view(-1).argsort(stable=True)
    return _count(order // share, serve(wanted[order], supply, rng), priors.shape)


def serve(wanted: Tensor, supply: Tensor, rng: torch.Generator) -> Tensor:
    """The classes that units get that want classes `wanted`, (n,), and are served one after the other: (n,) int64.

    A unit whose class is exhausted gets one drawn uniformly from those of `supply`, (N,), that are left at its turn.
    At the first unit that is refused, it and all later ones that want an exhausted class are drawn again, until none
    is refused; each time at least one class more is exhausted, so that is at most N times.

    Drawing again ahead of a unit's turn changes no probability. What a unit draws has no bearing on what is left at
    its turn, for only the units before it decide that. And a class drawn uniformly from too many is, given that it is
    among those left in the end, uniform over these.

    Raises:
        ValueError: more units than samples.
    """
    if len(wanted) > int(supply.sum()):
        raise ValueError(f"{len(wanted)} samples wanted, {int(supply.sum())} at hand")
    served, remaining, start = wanted.clone(), supply.clone(), 0
    while (final := _before_refusal(served[start:], remaining)) < len(served) - start:
        remaining -= torch.bincount(served[start : start + final], minlength=len(supply))
        start += final
        refused = start + (remaining[served[start:]] == 0).nonzero()[:, 0]
        left = remaining.nonzero()[:, 0]
        served[refused] = left[torch.randint(len(left), (len(refused),), generator=rng)]
    return served


def fit_to_supply(wanted: Tensor, supply: Tensor, rng: torch.Generator) -> Tensor:
    """Counts with the row sums of `wanted`, (K, N), and at most `supply`, (N,), in each column.

    Where more is wanted of a class than there is, who gets it is drawn at random; what a client misses is drawn
    again, uniformly over the classes that are not exhausted. Each pass but the last exhausts a class, so there are
    at most N + 1.
    """
    if int(wanted.sum()) > int(supply.sum()):
        raise ValueError(f"{int(wanted.sum())} samples wanted, {int(supply.sum())} at hand")
    counts, remaining = torch.zeros_like(wanted), supply.clone()
    while True:
        granted = _grant(wanted, remaining, rng)
        counts += granted
        remaining -= granted.sum(0)
        short = (wanted - granted).sum(1)
        missing = int(short.sum())
        if missing == 0:
            return counts
        open_classes = remaining.nonzero()[:, 0]
        picks = open_classes[torch.randint(len(open_classes), (missing,), generator=rng)]
        wanted = _count(torch.arange(len(short)).repeat_interleave(short), picks, tuple(wanted.shape))


def assign(labels: Tensor, counts: Tensor, rng: torch.Generator) -> Tensor:
    """Random samples for each client, by class: labels (n,), counts (K, N) → (Σ counts,) int64, client after client,
    each client's ascending."""
    clients, classes = counts.shape
    shuffled = torch.randperm(len(labels), generator=rng)
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    supply = torch.bincount(labels, minlength=classes)
    taken = counts.sum(0)
    position = torch.arange(int(taken.sum())) + (_starts(supply) - _starts(taken)).repeat_interleave(taken)
    owner = torch.arange(clients).repeat(classes).repeat_interleave(counts.T.reshape(-1))
    chosen = by_class[position]
    return chosen[(owner * len(labels) + chosen).argsort()]


def _before_refusal(wanted: Tensor, supply: Tensor) -> int:
    """How many units, (n,), are served before the first whose class is exhausted."""
    demand = torch.bincount(wanted, minlength=len(supply))
    over = demand > supply
    refused = wanted.argsort(stable=True)[(_starts(demand) + supply)[over]]
    return int(refused.min()) if len(refused) else len(wanted)


def _grant(wanted: Tensor, remaining: Tensor, rng: torch.Generator) -> Tensor:
    over = wanted.sum(0) > remaining
    if not bool(over.any()):
        return wanted
    granted = wanted.clone()
    contested = over.nonzero()[:, 0]
    demand = wanted[:, contested]
    owner, column = _units(demand)
    shuffled = torch.randperm(len(owner), generator=rng)
    order = shuffled[column[shuffled].argsort(stable=True)]
    rank = torch.arange(len(order)) - _starts(demand.sum(0))[column[order]]
    kept = order[rank < remaining[contested][column[order]]]
    granted[:, contested] = _count(owner[kept], column[kept], tuple(demand.shape))
    return granted


def _units(counts: Tensor) -> tuple[Tensor, Tensor]:
    """The (row, column) of every single unit in a matrix of counts."""
    cells = torch.arange(counts.numel()).repeat_interleave(counts.reshape(-1))
    return cells // counts.shape[1], cells % counts.shape[1]


def _count(rows: Tensor, columns: Tensor, shape: tuple[int, ...]) -> Tensor:
    return torch.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).view(shape[0], shape[1])


def _starts(counts: Tensor) -> Tensor:
    return counts.cumsum(0) - counts
