"""An aggregator that weighs clients by how sure they are of a sample.

A client's label p of a sample counts with the weight exp(−H(p)), H its entropy in nat: 1 for a client that is certain,
1 / N for one to which all N classes are equally likely.
"""

import torch

from scarlet_pl.methods import Aggregator, Consensus, Votes


class EntropyWeights(Aggregator):
    """The mean of the clients' labels, weighted by their certainty."""

    def combine(self, votes: Votes) -> Consensus:
        entropy = torch.special.entr(votes.labels).sum(-1)  # (clients, samples)
        weights = torch.exp(-entropy) * votes.sent  # 0 where a client sent no label
        return super().combine(Votes(votes.labels, weights))
