"""FedProx: local training that is held near the weights it starts from."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD

from scarlet_pl.client import ClientConfig, ClientRunner, ClientTask
from scarlet_pl.errors import ConfigError
from scarlet_pl.learning import FedProx

from .conftest import tiny_data


def test_a_proximal_learner_takes_the_naive_steps() -> None:
    """Against θ ← θ − lr (g + μ (θ − θ₀)) in plain torch."""
    data, task = tiny_data(), ClientTask(1, 0, train=True)
    config = ClientConfig("mlp", partial(FedProx, mu=0.7), partial(SGD, lr=0.1), epochs=3, batch_size=100)
    runner = ClientRunner(config, data, seed=3)
    start = runner.initial_state(1)
    network = ClientRunner(config, data, seed=3)._learners[0].network
    network.load_state_dict(start)
    images = (data.train.fields["image"][data.train_shards[1]].float() / 255 - 0.5) / 0.5
    for _ in range(3):
        network.zero_grad()
        nn.functional.cross_entropy(network(images), data.train.labels[data.train_shards[1]]).backward()
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter -= 0.1 * (parameter.grad + 0.7 * (parameter - start[name]))
    after = runner.run(task, None).state
    assert all(torch.allclose(after[name], value, atol=1e-6) for name, value in network.state_dict().items())
    config = ClientConfig("mlp", partial(FedProx, mu=0), epochs=3)
    with_0, without = (ClientRunner(c, data, 3).run(task, None) for c in (config, ClientConfig("mlp", epochs=3)))
    assert all(torch.equal(with_0.state[name], value) for name, value in without.state.items())


def test_the_proximal_term_by_hand() -> None:
    """θ_start = (1, 2), θ = (1.5, 1), μ = 0.1: 0.05 · (0.25 + 1). Of a frozen bias nothing."""
    network = nn.Linear(2, 1)
    network.bias.requires_grad_(False)
    learner = FedProx(nn.Sequential(nn.Flatten(), network), mu=0.1)
    network.weight.data = torch.tensor([[1.0, 2.0]])
    learner.on_train_start()
    network.weight.data = torch.tensor([[1.5, 1.0]])
    network.bias.data += 9
    loss = learner.private_loss({"image": torch.ones(1, 1, 1, 2)}, torch.tensor([0]))  # of one class: 0 without it
    loss.backward()
    assert loss.item() == pytest.approx(0.0625)
    assert network.weight.grad is not None
    assert network.weight.grad.tolist() == [pytest.approx([0.05, -0.1])]


@pytest.mark.parametrize("mu", [-0.1, math.inf])
def test_a_bad_mu_is_refused(mu: float) -> None:
    with pytest.raises(ConfigError, match=r"client\.learner\.mu: got .*, allowed: a number >= 0"):
        ClientRunner(ClientConfig("mlp", learner=partial(FedProx, mu=mu)), tiny_data(), 0)
