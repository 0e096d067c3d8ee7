"""Aggregators that give clients labels of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from scarlet_pl.errors import require
from scarlet_pl.functional.clusters import k_means
from scarlet_pl.methods.parts.aggregators import Aggregator, Consensus, Votes


@dataclass(frozen=True)
class Clusters(Aggregator):
    """Clients are sent the mean of those whose labels are like theirs; the server distils the mean of all.

    The clusters are found by k-means. Source: COMET (Cho, Wang, Chirvolu, Joshi, IEEE JSTSP 17(1), 2023), where a
    client is sent all centroids and takes the nearest; here the server chooses by what the client itself sent, so one
    set of labels goes down. A client that was not in the last round is sent the mean.

    Args:
        count: C, clusters; as many as there are clients, where those are fewer.
        by: "sample" clusters the labels of each sample for itself, as SCARLET's authors compare with COMET; "client"
            the clients, by all their labels of the round, as COMET does.
    """

    count: int = 2
    by: Literal["sample", "client"] = "sample"

    personal = True
    needs_all = True

    def __post_init__(self) -> None:
        require(self.count >= 1, "method.aggregator.count", self.count, "an integer >= 1")
        require(self.by in ("sample", "client"), "method.aggregator.by", self.by, "sample, client")

    def combine(self, votes: Votes) -> Consensus:
        clients, samples, classes = votes.labels.shape
        if self.by == "sample":
            centroids, choice = k_means(votes.labels.transpose(0, 1), self.count)
            groups, choice = centroids.transpose(0, 1), choice.T
        else:
            centroids, choice = k_means(votes.labels.reshape(1, clients, -1), self.count)
            groups, choice = centroids.view(-1, samples, classes), choice.T.expand(clients, samples)
        return replace(super().combine(votes), groups=groups.to(votes.labels.dtype), choice=choice)


@dataclass(frozen=True)
class LeaveOneOut(Aggregator):
    """Each client is sent the mean of the others' labels, as in FD of Jeong et al. (arXiv 1811.11479); of what no
    other sent, and to a client that was not in the last round, the mean of all."""

    personal = True

    def combine(self, votes: Votes) -> Consensus:
        found, clients = super().combine(votes), len(votes.labels)
        weights = votes.sent.double() if votes.weights is None else votes.weights.double()
        everybody_else = 1 - torch.eye(clients, dtype=torch.float64)
        total = (everybody_else @ weights)[:, :, None]
        others = torch.einsum("jk,krn->jrn", everybody_else, votes.labels * weights[:, :, None])
        groups = torch.where(total > 0, (others / torch.where(total > 0, total, 1)).float(), found.labels)
        choice = torch.arange(clients)[:, None].expand(-1, votes.labels.shape[1])
        return replace(found, groups=groups, choice=choice)
