"""Labels of a cluster's own: each client is sent the mean of the clients whose labels of a sample are like its own.

For each sample the clients' labels are put into C clusters by k-means; the server distils the mean of all. So clients
with other data are not taught the average of everybody. After COMET (Cho et al., IEEE JSTSP 17(1), 2023), in the form
in which the server chooses the cluster.
"""

import torch
from torch import Tensor

from scarlet_pl.errors import require
from scarlet_pl.methods import Aggregator, Consensus, Votes


class Clusters(Aggregator):
    """Clients are sent the centroid of their cluster, sample by sample.

    Args:
        count: C, clusters of a sample; as many as there are clients, where those are fewer.
    """

    personal = True
    needs_all = True

    def __init__(self, count: int = 2) -> None:
        require(count >= 1, "method.aggregator.count", count, "an integer >= 1")
        self.count = count

    def combine(self, votes: Votes) -> Consensus:
        centroids, choice = k_means(votes.labels.transpose(0, 1).double(), self.count)
        found = super().combine(votes)
        groups = centroids.transpose(0, 1).to(votes.labels.dtype)
        return Consensus(found.mean, found.labels, found.kept, groups, choice.T)


def k_means(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Points (n, K, N) of n problems at once → centroids (n, C, N) and choices (n, K). Nothing is drawn: the first
    centroid is the point farthest from the mean, each next one the point farthest from those chosen."""
    problems, clients = points.shape[:2]
    distance, start = torch.cdist(points, points.mean(1, keepdim=True))[:, :, 0], []
    for _ in range(min(count, clients)):
        start.append(points[torch.arange(problems), distance.argmax(1)])
        distance = torch.cdist(points, torch.stack(start, 1)).min(-1).values
    centroids, choice = torch.stack(start, 1), torch.full((problems, clients), -1)
    while True:
        nearest = torch.cdist(points, centroids).argmin(-1)
        if torch.equal(nearest, choice):
            return centroids, choice
        choice = nearest
        members = torch.nn.functional.one_hot(choice, centroids.shape[1]).double()  # (n, K, C)
        sizes = members.sum(1)[:, :, None]
        means = members.transpose(1, 2) @ points / sizes.clamp_min(1)
        centroids = torch.where(sizes > 0, means, centroids)  # an empty one stays
