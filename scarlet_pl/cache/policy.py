"""The rule of the cache: which labels are reused, sent, kept and deleted.

An entry that was stored in round s is a HIT in round r if and only if 1 <= r - s <= D. `CachePolicy` turns that rule
into a signal for each drawn index.

Source: SCARLET (arXiv 2504.19602). Its two official branches evaluate the rule with different rounds, one of them
inconsistently; this one is evaluated with the round that uses the labels, everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import torch
from torch import Tensor

from scarlet_pl.cache.admission import Admission, AdmitAll
from scarlet_pl.errors import require
from scarlet_pl.functional.rows import nonzero


class Signal(IntEnum):
    """What a receiver does with a drawn index."""

    UNCACHED = 0
    """The label is sent; nothing is kept."""
    HIT = 1
    """The label is in the cache; nothing is sent."""
    NEW = 2
    """The label is sent and kept."""
    EXPIRED = 3
    """The label is sent; the entry that was kept is deleted."""


@dataclass(frozen=True)
class CachePolicy:
    """Which drawn labels are reused, sent, kept and deleted.

    Args:
        duration: D, rounds for which a label may be reused: 0 never, null for ever.
        expiry: what becomes of an entry older than D: "paper" sends a fresh label and deletes the entry, so that
            the index is requested again at its next draw; "refresh" replaces the entry at once (an extension).
        admission: which of the labels are kept that have no entry, or replace one.
    """

    duration: int | None = 50
    expiry: Literal["paper", "refresh"] = "paper"
    admission: Admission = AdmitAll()  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        ok = self.duration is None or self.duration >= 0
        require(ok, "method.cache.duration", self.duration, "an integer >= 0, or null for ever")
        require(self.expiry in ("paper", "refresh"), "method.cache.expiry", self.expiry, "paper, refresh")
        ok = isinstance(self.admission, Admission)
        require(ok, "method.cache.admission", self.admission, "an object of class Admission")

    @property
    def keeps(self) -> bool:
        """Whether anything is ever cached."""
        return self.duration != 0

    def hits(self, stored: Tensor, round: int) -> Tensor:
        """stored: (n,) round in which each entry was stored, -1 for none → (n,) bool."""
        oldest = 0 if self.duration is None else max(0, round - self.duration)
        return (stored >= oldest) & (stored < round)

    def signals(self, stored: Tensor, round: int, draws: torch.Generator, labels: Tensor | None = None) -> Tensor:
        """(n,) rounds of storage → (n,) uint8 `Signal`s for a draw whose labels are used in `round`.

        Args:
            labels: (n, N) as they are sent; None where they are not known, for an admission that does not see them.
        """
        if not self.keeps:
            return torch.full(stored.shape, int(Signal.UNCACHED), dtype=torch.uint8)
        aged = Signal.EXPIRED if self.expiry == "paper" else Signal.NEW
        meaning = torch.tensor([Signal.NEW, aged, Signal.HIT], dtype=torch.uint8)
        signals = meaning.index_select(0, (stored >= 0).int() + self.hits(stored, round).int())
        if isinstance(self.admission, AdmitAll):
            return signals  # saves three passes over the draw
        new = nonzero(signals == Signal.NEW)
        refused = new[~self._admitted(new, labels, round, draws)]
        signals[refused] = torch.where(stored[refused] < 0, int(Signal.UNCACHED), int(Signal.EXPIRED)).to(torch.uint8)
        return signals

    def _admitted(self, new: Tensor, labels: Tensor | None, round: int, draws: torch.Generator) -> Tensor:
        """(m,) bool: which of the m labels at `new` are kept."""
        if self.admission.sees_labels and labels is None:
            raise ValueError("a cache's admission that goes by labels needs them")
        shown = labels[new] if labels is not None and self.admission.sees_labels else torch.zeros(len(new), 0)
        admitted = self.admission.admits(shown, round, draws)
        if admitted.shape != new.shape or admitted.dtype != torch.bool:
            what = f"{tuple(admitted.shape)} {admitted.dtype} for {len(new)} labels"
            raise ValueError(f"admission {type(self.admission).__name__} gave {what}, not one bool for each")
        return admitted
