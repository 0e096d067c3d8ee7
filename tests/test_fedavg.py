"""FedAvg and the two bounds: what is sent and averaged, and naive readings of all three."""

from __future__ import annotations

import copy

import pytest
import torch

from scarlet_pl import rng
from scarlet_pl.availability import Uniform
from scarlet_pl.errors import ConfigError, WireError
from scarlet_pl.methods import Centralized, FedAvg, Individual, Upload
from scarlet_pl.methods.fedavg.server import WeightsPlan
from scarlet_pl.models import build
from scarlet_pl.server import ServerConfig
from scarlet_pl.wire.weights import decode_weights, encode_weights

from .conftest import node, share, tiny_data, tiny_trainer
from .naive import CLIENT, Naive, assert_same_network, data_module
from .test_loop import Recorder


def test_fedavg_counts_parameters_and_buffers() -> None:
    state = build("resnet20", "m", {"num_classes": 10, "in_channels": 3, "image_size": (32, 32)}).state_dict()
    data = encode_weights(state)
    assert len(data) == 1_078_888 + 5_656
    back = decode_weights(data, state)
    assert all(torch.equal(back[key], value) for key, value in state.items())
    with pytest.raises(WireError, match="weights: "):
        decode_weights(data[:-1], state)
    with pytest.raises(WireError, match="NaN"):
        decode_weights(b"\xff" * len(data), state)


def test_fedavg_weighs_by_samples_and_averages_buffers() -> None:
    before = {"w": torch.zeros(2), "n": torch.tensor(0)}

    uploads = [
        Upload(0, weights={"w": torch.tensor([1.0, 0.0]), "n": torch.tensor(4)}, samples=1),
        Upload(1, weights={"w": torch.tensor([3.0, 4.0]), "n": torch.tensor(8)}, samples=3),
    ]
    weights = FedAvg().aggregate(WeightsPlan(0, (0, 1), like=before), iter(uploads)).weights
    assert weights is not None
    assert weights["w"].tolist() == [2.5, 3.0]
    assert int(weights["n"]) == 7


def test_fedavg_needs_one_model() -> None:
    trainer, _ = tiny_trainer(FedAvg(), 1, client=CLIENT)
    with pytest.raises(ConfigError, match=r"server\.model: got 'cnn', allowed: the clients' model 'mlp'"):
        trainer.federation.check_server(ServerConfig("cnn"))


def test_individual_has_no_server_accuracy() -> None:
    recorder, data = Recorder(), tiny_data()
    trainer, server = tiny_trainer(Individual(), 2, data=data, callbacks=[recorder])
    trainer.fit(server, data_module(data))
    assert recorder.records[-1].server["server/accuracy"] is None
    assert recorder.records[-1].client["client/accuracy"] is not None


@pytest.mark.parametrize(
    ("share", "clients", "size"),
    [
        (0.29, 100, 29),
        (0.57, 100, 57),
        (0.4, 20, 8),
        (0.7, 4, 2),
        (0.99, 10, 9),
        (1.0, 7, 7),
        (0.01, 10, 1),
        (1e-9, 3, 1),
    ],
)
def test_a_cohort_is_the_share_rounded_down(share: float, clients: int, size: int) -> None:
    """As in the official code, but exactly: 0.29 · 100 is 28.999… in floats. One client at least."""
    assert len(Uniform(share).cohort(0, 3, clients)) == size


class NaiveFedAvg(Naive):
    """FedAvg with clients of one size: the plain mean of their weights."""

    def round(self, r: int) -> None:
        cohort, total = self.cohort(r), None
        for k in cohort:
            net = copy.deepcopy(self.server)
            self.train_client(net, k, r)
            weights = [p.detach().double() for p in net.parameters()]
            total = weights if total is None else [a + b for a, b in zip(total, weights, strict=True)]
        assert total is not None
        with torch.no_grad():
            for parameter, summed in zip(self.server.parameters(), total, strict=True):
                parameter.copy_(summed / len(cohort))


@pytest.mark.parametrize("part", [0.5, 1.0])
def test_fedavg(part: float) -> None:
    data = tiny_data(clients=4, shard=9)
    naive = NaiveFedAvg(data, 5, part)
    trainer, server = tiny_trainer(FedAvg(), 6, 5, data, CLIENT, config=share(part))
    trainer.fit(server, data_module(data))
    for round in range(6):
        naive.round(round)
    assert_same_network(server.network.state_dict(), naive.server, atol=1e-5)


class NaiveCentralized(Naive):
    def round(self, r: int) -> None:
        rows = self.data.train_shards.rows
        batches = self.batches(len(rows), 2, rng.generator(self.seed, "server", r))
        self.fit(self.server, self.data.train.fields["image"][rows], self.data.train.labels[rows], batches)


def test_centralized_and_individual() -> None:
    data = tiny_data(clients=3, shard=9)
    naive = NaiveCentralized(data, 2, 1.0)
    trainer, server = tiny_trainer(Centralized(), 4, 2, data, CLIENT)
    trainer.fit(server, data_module(data))
    for round in range(4):
        naive.round(round)
    assert_same_network(server.network.state_dict(), naive.server)
    assert trainer.federation.ledger.total("up") == trainer.federation.ledger.total("down") == 0

    trainer, server = tiny_trainer(Individual(), 4, 2, data, CLIENT)
    trainer.fit(server, data_module(data))
    assert trainer.federation.ledger.total("up") == trainer.federation.ledger.total("down") == 0
    for k, state in node(trainer.federation).states.items():
        net = naive.network(k + 1)
        for round in range(4):
            naive.train_client(net, k, round)
        assert_same_network(dict(state), net)
