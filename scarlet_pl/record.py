"""A finished round, as callbacks see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scarlet_pl.round import ClientPhase


@dataclass(frozen=True)
class RoundRecord:
    """A finished round, as callbacks see it.

    Attributes:
        phase: plan, client reports, outcome and traffic.
        seconds: wall-clock time of the round up to here.
        server: what was measured of the server's model: `server/accuracy` and the learner's other metrics,
            `server/loss`, `server/distill_loss`; None where a method has no server's model, or it did not learn.
        client: what was measured of the clients' models, the mean over all clients on their own test shards:
            `client/accuracy`, None where it was not measured, and the learner's other metrics where they were.
        metrics: what callbacks added by `round_metrics`.
    """

    round: int
    phase: ClientPhase
    seconds: float
    server: Mapping[str, float | None]
    client: Mapping[str, float | None]
    metrics: Mapping[str, float | None] = field(default_factory=dict)

    def scalars(self) -> dict[str, float | None]:
        """Every number by name, None for what this round has not: the same names in every round, but for metrics of a
        clients' learner beside the accuracy, which are there when they were measured."""
        reports = self.phase.reports
        return {
            **self.server,
            **self.client,
            "client/train_loss": _mean_known([report.train_loss for report in reports]),
            "client/distill_loss": _mean_known([report.distill_loss for report in reports]),
            **self.metrics,
            "seconds": self.seconds,
        }


def _mean_known(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
