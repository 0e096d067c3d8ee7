"""The plan of a round of soft labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scarlet_pl.methods.base import RoundPlan
from scarlet_pl.wire import Direction


@dataclass(frozen=True)
class LabelPlan(RoundPlan):
    """The plan of a round of soft labels: drawn samples that are not requested are cache hits.

    Attributes:
        without_cache: where there is a cache, by direction and "bytes" or "paper": bytes of one client's whole
            downlink were there none, and bytes by which its uplink would then be longer.
    """

    without_cache: Mapping[tuple[Direction, str], int] = field(default_factory=dict)

    @property
    def hits(self) -> int:
        """Drawn samples whose labels need not be sent."""
        return len(self.draw) - len(self.request)
