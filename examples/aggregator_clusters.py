"""Labels of a cluster's own: a client is sent the mean of the clients that gave a sample the same class.

So clients with other data are not taught the average of everybody. `scarlet_pl.methods.Clusters` finds the clusters by
k-means; here they are the clients' answers.
"""

import torch
from torch.nn.functional import one_hot

from scarlet_pl.methods import Aggregator, Consensus, Votes


class SameAnswer(Aggregator):
    """A cluster of each sample for each class; the server distils the mean of all."""

    personal = True
    needs_all = True

    def combine(self, votes: Votes) -> Consensus:
        found, labels = super().combine(votes), votes.labels.double()
        choice = labels.argmax(-1)  # (K, r)
        members = one_hot(choice, labels.shape[-1]).double()  # (K, r, C)
        sizes = members.sum(0).T[:, :, None]  # (C, r, 1)
        means = torch.einsum("krc,krn->crn", members, labels) / sizes.clamp_min(1)
        groups = torch.where(sizes > 0, means.float(), found.labels)
        return Consensus(found.mean, found.labels, found.kept, groups, choice)
