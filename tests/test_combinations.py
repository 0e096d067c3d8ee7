"""Parts that make no sense together are refused where the method is made, with the field that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scarlet_pl.cache import CachePolicy, LowEntropy
from scarlet_pl.errors import ConfigError
from scarlet_pl.methods import ActiveDraw, Confident, Distillation, GaussianNoise, LeaveOneOut, Mean, TopK

from .parts import Chosen
from .run_folders import Capture
from .test_cli import scarlet_pl


class AllVotes(Mean):
    needs_all = True


SEES = CachePolicy(3, admission=LowEntropy(0.5))
NOISE = GaussianNoise(1.0)

TABLE: list[tuple[str, dict[str, Any], str, str]] = [
    ("personal labels, cache", {"aggregator": LeaveOneOut()}, "cache", "null with LeaveOneOut"),
    ("inner personal labels, cache", {"aggregator": Confident(LeaveOneOut())}, "cache", "null with Confident"),
    (
        "personal labels, the server's predictions",
        {"aggregator": LeaveOneOut(), "cache": None, "server_labels": "predictions"},
        "server_labels",
        "aggregate with LeaveOneOut",
    ),
    (
        "personal labels that nobody distils",
        {"aggregator": LeaveOneOut(), "cache": None, "clients_distill": False},
        "clients_distill",
        "true with LeaveOneOut",
    ),
    (
        "personal labels, filters down",
        {"aggregator": LeaveOneOut(), "cache": None, "downlink_filters": [TopK()]},
        "downlink_filters",
        "none with LeaveOneOut",
    ),
    ("dropped samples, seeded", {"aggregator": Confident(), "indices": "seeded"}, "indices", "explicit with Confident"),
    ("selector, seeded", {"selector": Chosen(), "indices": "seeded"}, "indices", "explicit with a selector"),
    ("selector, all votes", {"selector": Chosen(), "aggregator": AllVotes()}, "selector", "null: AllVotes needs every"),
    (
        "selector, inner all votes",
        {"selector": Chosen(), "aggregator": Confident(AllVotes())},
        "selector",
        "null: Confident needs every",
    ),
    (
        "selector, private uploads",
        {"selector": Chosen(), "uplink_filters": [NOISE]},
        "selector",
        "null with GaussianNoise: which samples",
    ),
    ("admission by labels, seeded", {"cache": SEES, "indices": "seeded"}, "indices", "explicit where the cache's"),
    ("privacy of what goes down", {"downlink_filters": [NOISE]}, "downlink_filters", "in method.uplink_filters"),
    (
        "filters of what nobody is sent",
        {"cache": None, "clients_distill": False, "downlink_filters": [TopK()]},
        "downlink_filters",
        "none where clients do not distil",
    ),
    ("cache of what nobody is sent", {"clients_distill": False}, "cache", "null where clients do not distil"),
    ("active draw, seeded", {"draw": ActiveDraw(5), "indices": "seeded"}, "indices", "explicit where the draw"),
    ("a selector that is none", {"selector": TopK()}, "selector", "an object of class ClientSelector, or null"),
    ("a filter that is none", {"uplink_filters": [Mean()]}, "uplink_filters", "a list of objects of class Filter"),
    ("a filter that is no list", {"downlink_filters": TopK()}, "downlink_filters", "a list of objects of class Filter"),
    ("an aggregator that is none", {"aggregator": TopK()}, "aggregator", "an object of class Aggregator"),
]


@pytest.mark.parametrize(("parts", "field", "allowed"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_impossible_combinations(parts: dict[str, Any], field: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Distillation(**parts)
    assert raised.value.field == f"method.{field}"
    assert allowed in raised.value.allowed
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "make", [lambda: Confident(TopK()), lambda: Confident(threshold=0), lambda: Confident(threshold=3)]
)
def test_a_bad_wrapper(make: Any) -> None:
    with pytest.raises(ConfigError, match=r"method\.aggregator\.(inner|threshold): got"):
        make()


COMMANDS = [
    (
        "source_text",
        "--data.transform ImageTransform --data.transform.flip true",
        "data.transform: got 'ImageTransform'",
    ),
    ("source_text", "--client.models cnn", "client.models: got 'cnn', allowed: a model for data with num_classes 7"),
    ("source_text", "--data.public digits", "data.public: got {'image': (1, 8, 8)}, allowed: samples like the private"),
    ("aggregator_clusters", "--method.cache.duration 5", "method.cache: got "),
    ("aggregator_clusters", "--method.server_labels predictions", "method.server_labels: got 'predictions'"),
    (
        "admission_threshold",
        "--method.indices seeded",
        "method.indices: got 'seeded', allowed: explicit where the cache's",
    ),
    ("aggregator_entropy", "--method.aggregator Confident --method.indices seeded", "method.indices: got 'seeded'"),
    ("aggregator_entropy", "--method.aggregator Clusters --method.cache.duration 5", "method.cache: got "),
    (
        "aggregator_entropy",
        "--method.aggregator GeometricMean --method.uplink_codec Quantized",
        "method.uplink_codec: got 'Quantized', allowed: Float32 with GeometricMean",
    ),
    ("method_class_labels", "--client.joint_weight 0", "client.joint_weight: got 0"),
    (
        "method_class_labels",
        "--method ClassDistillation --method.aggregator Clusters",
        "method.aggregator: got 'Clusters', allowed: another with ClassDistillation",
    ),
    (
        "learner_fedprox",
        "--method.fusion.aggregator Mean --method.fusion.draw.size 9 --client.models [mlp,cnn]",
        "server.model: got 'mlp', allowed: the clients' model",
    ),
    ("filter_laplace", "--method.uplink_filters Mean", "method.uplink_filters"),
    ("learner_fedprox", "--client.models [mlp,cnn]", "server.model: got 'mlp', allowed: the clients' model"),
    (
        "learner_fedprox",
        "--method.fusion.aggregator aggregator_clusters.SameAnswer",
        "method.fusion.aggregator: got 'Sam",
    ),
    (
        "learner_fedprox",
        "--method.fusion.models Mean",
        "method.fusion.models: got 'Mean', allowed: GaussianModels, Dir",
    ),
    (
        "learner_fedprox",
        "--client.joint_weight 1",
        "client.joint_weight: got 1.0, allowed: null: the clients of FedAvg",
    ),
    (
        "aggregator_entropy",
        "--client.joint_weight 1 --method.clients_distill false --method.cache null",
        "client.joint_weight: got 1.0, allowed: null: the clients of Distillation do not distil",
    ),
    ("learner_fedprox", "--server.average_every 2", "server.average_every: got 2, allowed: only together with server."),
    ("learner_fedprox", "--server.learner scarlet_pl.learning.FedProx", "server.learner: got 'FedProx', allowed: "),
    ("learner_fedprox", "--server.average_from 2", "server.average_from: got 2, allowed: null: the server does not"),
    ("aggregator_entropy", "--server.average_from 5000", "server.average_from: got 5000, allowed: at most "),
    ("learner_fedprox", "--client.learner torch.nn.Linear", "client.learner: got 'torch.nn.Linear', allowed: "),
    ("learner_fedprox", "--client.learner learner_fedprox.FedPro", "client.learner: got 'learner_fedprox.FedPro'"),
    ("learner_fedprox", "--client.learner.class_path nowhere.Mine", "client.learner: got 'nowhere.Mine', allowed: "),
    (
        "learner_fedprox",
        "--client.lr_scheduler torch.optim.lr_scheduler.ReduceLROnPlateau",
        "client.lr_scheduler: got 'ReduceLROnPlateau'",
    ),
    (
        "availability_stragglers",
        "--federation.availability Deadline --federation.availability.deadline -1",
        "config: got 'float', allowed: with another class of a part also its settings",
    ),
    (
        "learner_fedprox",
        "--federation.availability Deadline --federation.availability.deadline -1",
        "federation.availability.deadline: got -1",
    ),
    ("draw_kmeans", "--method.draw.size 500", "method.draw.size: got 500, allowed: at most 120"),
]


@pytest.mark.parametrize(("example", "flags", "said"), COMMANDS, ids=[f"{row[0]} {row[1]}" for row in COMMANDS])
def test_impossible_commands(example: str, flags: str, said: str, folder: Path, capsys: Capture) -> None:
    """One line, exit code 2, nothing written."""
    assert scarlet_pl("fit", "--config", f"{example}.yaml", *flags.split()) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("scarlet-pl: ")]
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"scarlet-pl: {said}"), lines[0]
    assert not Path("logs").exists()
