"""What a round would cost were there no cache: every label of every draw is sent."""

from __future__ import annotations

from scarlet_pl.methods.base import Population
from scarlet_pl.methods.draws import DrawPolicy
from scarlet_pl.methods.messages import DIGEST_BYTES, DOWN_PARTS, UP_PARTS
from scarlet_pl.wire import Direction, LabelCodec, fields
from scarlet_pl.wire.frame import overhead_bytes


def bytes_without_cache(
    draws: DrawPolicy,
    population: Population,
    codecs: tuple[LabelCodec, LabelCodec],
    round: int,
    last: int | None,
    seeded: bool,
) -> dict[tuple[Direction, str], int]:
    """Bytes of one client in a round: by direction, "bytes" as coded (at most) and "paper".

    Args:
        codecs: of the uplink and of the downlink.
        last: the round whose labels go down; None for none.
        seeded: whether indices are derived instead of sent.
    """
    size, classes = draws.size, population.classes
    told = 0 if last is None else size
    requested, drawn = (0 if seeded else _index_bytes(draws, population, which) for which in (round, last))
    digest = DIGEST_BYTES if seeded else 0
    return {
        ("up", "bytes"): overhead_bytes(len(UP_PARTS)) + requested + codecs[0].size(size, classes),
        ("down", "bytes"): overhead_bytes(len(DOWN_PARTS)) + digest + requested + drawn + codecs[1].size(told, classes),
        ("up", "paper"): size * (4 * classes + 8),
        ("down", "paper"): told * (4 * classes + 8) + 8 * size,
    }


def _index_bytes(draws: DrawPolicy, population: Population, round: int | None) -> int:
    """What a whole draw's indices cost; at most, where the draw cannot be known."""
    size = population.public_size
    if round is None:
        return 0
    if draws.active:
        return fields.indices_size(draws.size, size)
    return len(fields.encode_indices(draws.draw(population.seed, round, size), size))
