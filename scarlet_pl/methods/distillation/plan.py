"""The plan of a round of soft labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scarlet_pl.methods.base import RoundPlan
from scarlet_pl.wire import Direction
from scarlet_pl.wire.ledger import Traffic


@dataclass(frozen=True)
class LabelPlan(RoundPlan):
    """The plan of a round of soft labels: drawn samples that are not requested are cache hits.

    Attributes:
        without_cache: where there is a cache, by direction and "bytes" or "paper": bytes of one client's whole
            downlink were there none, and bytes by which its uplink would then be longer.
    """

    without_cache: Mapping[tuple[Direction, str], int] = field(default_factory=dict)

    def compared(self, traffic: Traffic) -> dict[str, int]:
        """`no_cache_bytes/…` and `no_cache_paper_bytes/…` of the clients that had a message in that direction, as in
        `traffic`."""
        found = {}
        for (direction, kind), each in self.without_cache.items():
            sent = traffic.total("up") if kind == "bytes" else traffic.part("up", "paper")
            name = {"bytes": "no_cache_bytes", "paper": "no_cache_paper_bytes"}[kind]
            found[f"{name}/{direction}"] = traffic.messages(direction) * each + (sent if direction == "up" else 0)
        return found
