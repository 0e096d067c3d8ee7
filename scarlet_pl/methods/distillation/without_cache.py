"""What a round's messages would be without a cache: every label of every draw is sent."""

from __future__ import annotations

import torch
from torch import Tensor

from scarlet_pl import rng
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods.distillation.links import Coding
from scarlet_pl.methods.distillation.messages import DIGEST_BYTES, Content, Downlink
from scarlet_pl.methods.distillation.settings import Settings
from scarlet_pl.methods.population import Population
from scarlet_pl.wire import Direction, Envelope
from scarlet_pl.wire.fields import encode_indices


def sizes_without_cache(
    settings: Settings,
    population: Population,
    last: SoftLabels,
    hits: SoftLabels,
    draw: Tensor,
    envelope: Envelope,
    seeded: bool,
) -> dict[tuple[Direction, str], int]:
    """See `LabelPlan`. Delta coding has nothing to refer to, so with it these are upper bounds.

    The downlink holds all labels of the last draw and asks for all of this one. The hits' labels were never
    predicted: for the uplink the cached ones are coded in their place, which is exact for a codec whose length does
    not depend on the labels.

    Args:
        last: labels of the last draw, as they are sent.
        hits: of this draw those that are cached, and their labels.
        draw: (n,) public samples of the round.
        envelope: of a downlink in this round.
        seeded: whether draw and request need not be sent.
    """
    size, classes = population.public_size, population.classes
    down, up = (Coding(codec, size, classes) for codec in (settings.downlink_codec, settings.uplink_codec))
    nothing = SoftLabels(last.indices[:0], last.labels[:0])
    digest = bytes(DIGEST_BYTES) if seeded else None
    message = Downlink(Content(last.indices, None, draw), last.labels, nothing, digest=digest).encode(down)
    draws = rng.generator(population.seed, "without_cache", envelope.round)
    labels = up.codec.pack(up.codec.quantize(hits.labels, draws))
    request = draw[~torch.isin(draw, hits.indices)]
    indices = 0 if settings.seeded else len(encode_indices(draw, size)) - len(encode_indices(request, size))
    return {
        ("down", "bytes"): len(message.pack(envelope)),
        ("down", "paper"): message.paper_bytes,
        ("up", "bytes"): len(labels) + indices,
        ("up", "paper"): len(hits.indices) * (4 * classes + 8),
    }
