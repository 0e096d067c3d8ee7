"""From uploads to votes, and from a consensus to what is distilled."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.functional.simplex import not_distributions
from scarlet_pl.methods.parts.aggregators import Aggregator, Consensus, Votes


def align(request: Tensor, uploads: Sequence[SoftLabels]) -> Votes:
    """The labels of several clients as (K, r, N), in the order of the request, (r,) ascending."""
    if all(len(each.indices) == len(request) for each in uploads):
        return Votes(torch.stack([each.labels for each in uploads]))
    labels = torch.zeros(len(uploads), len(request), uploads[0].labels.shape[1])
    weights = torch.zeros(len(uploads), len(request))
    for row, each in enumerate(uploads):
        there = torch.isin(request, each.indices)
        labels[row, there], weights[row, there] = each.labels, 1.0
    return Votes(labels, weights)


def uploaded(request: Tensor, votes: Votes) -> list[SoftLabels]:
    """The inverse of `align`."""
    if votes.weights is None:
        return [SoftLabels(request, labels) for labels in votes.labels]
    return [SoftLabels(request[sent], labels[sent]) for labels, sent in zip(votes.labels, votes.sent, strict=True)]


def combine(aggregator: Aggregator, votes: Votes) -> Consensus:
    """What an aggregator makes of the votes, checked.

    Raises:
        ValueError: labels that are none, of another shape, or not what its class says that it does; names it.
    """
    found = aggregator.combine(votes)
    wrong = _wrong_labels(found, votes) or _wrong_kind(aggregator, found, votes)
    if wrong:
        raise ValueError(f"aggregator {type(aggregator).__name__} {wrong}")
    return found


def _wrong_labels(found: Consensus, votes: Votes) -> str:
    shape = votes.labels.shape[1:]
    if found.labels.shape != shape or found.mean.shape != shape or found.kept.shape != shape[:1]:
        return f"made labels of another shape than the clients' {tuple(shape)}"
    if (found.groups is None) != (found.choice is None):
        return "gave groups without a choice, or a choice without groups"
    labels = [found.labels[found.kept]]
    if found.groups is not None and found.choice is not None:
        groups, choice = found.groups, found.choice
        if groups.shape[1:] != shape or choice.shape != votes.labels.shape[:2]:
            return (
                f"made groups {tuple(groups.shape)} and choices {tuple(choice.shape)} for {tuple(votes.labels.shape)}"
            )
        if bool(((choice < 0) | (choice >= len(groups))).any()):
            return f"chose a group that there is not, of {len(groups)}"
        labels.append(groups[:, found.kept].flatten(0, 1))
    wrong = not_distributions(torch.cat(labels))
    return f"made labels that are none: {wrong}" if wrong else ""


def _wrong_kind(aggregator: Aggregator, found: Consensus, votes: Votes) -> str:
    if not aggregator.drops and not bool(found.kept[votes.sent.any(0)].all()):
        return "leaves samples without a label, so its class needs drops = True"
    if not aggregator.personal and found.groups is not None:
        return "gives clients labels of their own, so its class needs personal = True"
    return ""
