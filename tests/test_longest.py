"""Estimates of what cannot be known before a run are never less than what is sent."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from scarlet_pl.cache import CachePolicy, RandomShare
from scarlet_pl.client import ClientConfig
from scarlet_pl.methods import ERA, ActiveDraw, Distillation, Population
from scarlet_pl.methods.distillation.longest import LongestDraw
from scarlet_pl.report.estimate import UntrainedServer, estimate
from scarlet_pl.wire import DIRECTIONS
from scarlet_pl.wire.fields import encode_indices

from .conftest import share, tiny_data, tiny_trainer
from .naive import data_module


@given(st.integers(1, 60_000), st.data())
def test_no_draw_and_no_part_of_one_has_longer_indices(public: int, data: st.DataObject) -> None:
    chosen = torch.tensor(sorted(data.draw(st.sets(st.integers(0, public - 1), min_size=1, max_size=40))))
    longest = LongestDraw(len(chosen)).draw(Population(0, 1, public, 2), 0)
    assert len(longest.unique()) == len(chosen)
    assert 0 <= int(longest.min()) <= int(longest.max()) < public
    limit = len(encode_indices(longest, public))
    part = chosen[torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(chosen), max_size=len(chosen))))]
    assert len(encode_indices(chosen, public)) <= limit
    assert len(encode_indices(part, public)) <= limit


def test_catch_up_counts_where_an_active_draw_takes_cached_samples_again() -> None:
    """Found by the random mixtures: a label that comes late has an index of its own, which the estimate left out."""
    for seed in range(12):
        policy = CachePolicy(None, admission=RandomShare(0.5))
        method = Distillation(ERA(0.1), policy, ActiveDraw(2, "certainty"))
        data, config = tiny_data(clients=4), share(0.4)
        client = ClientConfig("mlp", epochs=1, distillation_epochs=1, batch_size=4)
        trainer, server = tiny_trainer(method, 5, seed, data, client, config=config)
        trainer.fit(server, data_module(data))
        federation = trainer.federation
        network = UntrainedServer(trainer.server.network, data.num_classes)
        estimated = estimate(method, config.availability, federation.method.population, 5, network)
        for direction in DIRECTIONS:
            assert federation.ledger.total(direction) <= sum(each.bytes[f"bytes/{direction}"] for each in estimated)
