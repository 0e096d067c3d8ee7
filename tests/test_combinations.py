"""Parts that make no sense together are refused where the method is made, with the field that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from scarlet_pl.cache import CachePolicy, LowEntropy
from scarlet_pl.errors import ConfigError
from scarlet_pl.methods import ActiveDraw, Confident, Distillation, GaussianNoise, Mean, TopK

from .parts import Chosen, LeaveOneOut


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
    ("selector, all votes", {"selector": Chosen(), "aggregator": AllVotes()}, "selector", "null with AllVotes"),
    (
        "selector, inner all votes",
        {"selector": Chosen(), "aggregator": Confident(AllVotes())},
        "selector",
        "null with Confident",
    ),
    (
        "selector, private uploads",
        {"selector": Chosen(), "uplink_filters": [NOISE]},
        "selector",
        "null with GaussianNoise",
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
