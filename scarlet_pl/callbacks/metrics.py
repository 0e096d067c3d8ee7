"""Callbacks that add numbers to a round's record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from scarlet_pl.functional.aggregation import entropy
from scarlet_pl.loop import FederatedCallback, FederatedTrainer
from scarlet_pl.record import RoundRecord
from scarlet_pl.round import ClientPhase
from scarlet_pl.server import ServerModule
from scarlet_pl.wire import DIRECTIONS


class CacheHitRate(FederatedCallback):
    """How much of a round's draw came from the cache.

    Adds `cache/hits` and `cache/requests` (samples), `cache/hit_rate` (hits / draw) and `cache/age` (mean age of
    the hits' labels in rounds; None without a hit).
    """

    def round_metrics(self, record: RoundRecord) -> dict[str, float | None]:
        plan, labels = record.phase.plan, record.phase.outcome.labels
        return {
            "cache/hits": plan.reused,
            "cache/requests": len(plan.request),
            "cache/hit_rate": plan.reused / len(plan.draw) if len(plan.draw) else None,
            "cache/age": _mean(labels.ages[labels.ages > 0]) if labels else None,
        }


class CommunicatedBytes(FederatedCallback):
    """What a round sent, over all clients of its cohort, in bytes.

    Adds `bytes/up`, `bytes/down` and their parts `bytes/up/labels` …; `paper_bytes/up` and `paper_bytes/down` by
    the official code's count; `shannon_bytes/…`, the least that the labels could take were they independent;
    `no_cache_bytes/…` and `no_cache_paper_bytes/…`, what the same messages would have cost without a cache, None for
    a method that has none (estimated, with a codec whose lengths depend on the labels); and `bytes/cumulative`, up
    and down since the first round.
    """

    _cumulative = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._cumulative = sum(trainer.federation.ledger.total(direction) for direction in DIRECTIONS)

    def round_metrics(self, record: RoundRecord) -> dict[str, float | None]:
        traffic = record.phase.traffic
        compared = record.phase.plan.compared(traffic)
        self._cumulative += sum(traffic.total(direction) for direction in DIRECTIONS)
        metrics: dict[str, float | None] = {"bytes/cumulative": self._cumulative}
        for direction in DIRECTIONS:
            metrics[f"bytes/{direction}"] = traffic.total(direction)
            metrics |= {f"bytes/{direction}/{part}": traffic.part(direction, part) for part in traffic.parts}
            metrics[f"paper_bytes/{direction}"] = traffic.part(direction, "paper")
            metrics[f"shannon_bytes/{direction}"] = traffic.part(direction, "shannon")
            for name in ("no_cache_bytes", "no_cache_paper_bytes"):
                metrics[f"{name}/{direction}"] = compared.get(f"{name}/{direction}")
        return metrics


class NetworkClients(FederatedCallback):
    """Who started anew, since their node had lost what they were, where clients are on other machines.

    Adds `clients/anew` (clients). Nothing in other runs.
    """

    _far = False

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._far = bool(trainer.federation.transport.statistics)

    def round_metrics(self, record: RoundRecord) -> dict[str, float | None]:
        return {"clients/anew": len(record.phase.anew)} if self._far else {}


class SimulatedTime(FederatedCallback):
    """Who was not there in time, and how long a round took, where the federation's availability simulates that.

    Adds `clients/dropped` and `clients/late` (clients), `time/round` and `time/total` (simulated seconds, of the round
    and of all so far). Nothing in other runs.
    """

    _total = 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._total = trainer.federation.seconds

    def round_metrics(self, record: RoundRecord) -> dict[str, float | None]:
        phase = record.phase
        if phase.seconds is None:
            return {}
        self._total += phase.seconds
        missing: dict[str, float | None] = {"clients/dropped": len(phase.dropped), "clients/late": len(phase.late)}
        return {**missing, "time/round": phase.seconds, "time/total": self._total}


class SoftLabelDiagnostics(FederatedCallback):
    """What the clients' labels look like.

    Adds `labels/entropy_mean` and `labels/entropy_sharpened` (nat, mean over the requested samples that got a label,
    before and after the aggregator) and `labels/agreement` (share of clients' labels whose most likely class is that
    of the mean). All are None in a round without a request.
    """

    def round_metrics(self, record: RoundRecord) -> dict[str, float | None]:
        labels = record.phase.outcome.labels
        if labels is None:
            return dict.fromkeys(("labels/entropy_mean", "labels/entropy_sharpened", "labels/agreement"))
        votes, found = labels.votes, labels.consensus
        agreement = votes.labels.argmax(-1) == found.mean.argmax(-1)
        return {
            "labels/entropy_mean": _mean(entropy(found.mean[found.kept])),
            "labels/entropy_sharpened": _mean(entropy(found.labels[found.kept])),
            "labels/agreement": _mean(agreement if votes.weights is None else agreement[votes.sent]),
        }


class MethodMetrics(FederatedCallback):
    """What the method itself reports: with noise on uploads, `privacy/epsilon` of all rounds so far."""

    _metrics: Mapping[str, float | None] = {}

    def on_client_phase_end(self, trainer: FederatedTrainer, server: ServerModule, phase: ClientPhase) -> None:
        self._metrics = trainer.federation.method.metrics()

    def round_metrics(self, record: RoundRecord) -> dict[str, float | None]:
        return dict(self._metrics)


def _mean(values: Tensor) -> float | None:
    return float(values.double().mean()) if values.numel() else None
