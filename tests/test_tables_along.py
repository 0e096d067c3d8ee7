"""Tables of an experiment that show how much a value changes along an axis."""

from __future__ import annotations

from typing import Any

import pytest

from scarlet_pl.errors import ConfigError
from scarlet_pl.sweep.experiment import Experiment
from scarlet_pl.sweep.tables import markdown, tables

from .test_results import a_result, experiment


def test_range_and_largest_step_along_an_axis() -> None:
    """By hand: over T the accuracies .5, .8, .7 range over .3 and step by .3 at most; over β .6, .65."""
    values = {"T=0.1": 0.5, "T=0.2": 0.8, "T=1": 0.7, "β=1": 0.6, "β=2": 0.65}
    axes = {"method": {each: {} for each in values}, "α": {"1": {}}}
    given = {"rows": ["α"], "over": "method", "values": ["range of server_accuracy", "largest step of server_accuracy"]}
    along = Experiment("trial", {}, {}, axes, [0], tables={"smooth": given})
    results = [a_result(method, "1", 0, accuracy) for method, accuracy in values.items()]
    said = markdown(tables(along)["smooth"], along, results)
    assert said.splitlines()[0] == (
        "| α | T: range of server accuracy, last round | T: largest step of server accuracy, last round "
        "| β: range of server accuracy, last round | β: largest step of server accuracy, last round |"
    )
    assert said.splitlines()[2] == "| 1 | 0.3000 | 0.3000 | 0.05000 | 0.05000 |"
    assert (
        markdown(tables(along)["smooth"], along, results[1:]).splitlines()[2]
        == "| 1 | n.a. | n.a. | 0.05000 | 0.05000 |"
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"over": "β", "values": ["range of server_accuracy"]}, "sweep.tables.x.over"),
        ({"over": "method", "values": ["server_accuracy"]}, "sweep.tables.x.values"),
        ({"over": "method", "values": ["range of nothing"]}, "sweep.tables.x.values"),
        ({"values": ["range of server_accuracy"]}, "sweep.tables.x.values"),
        (
            {"over": "method", "values": ["range of server_accuracy"], "reference": {"method": "A"}},
            "sweep.tables.x.over",
        ),
    ],
)
def test_a_table_along_an_axis_that_cannot_be(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as error:
        tables(experiment(tables={"x": {"rows": ["α"], **given}}))
    assert error.value.field == field
