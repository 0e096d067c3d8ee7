"""What TensorBoard is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams.metadata import (
    EXPERIMENT_TAG,
    SESSION_START_INFO_TAG,
    parse_session_start_info_plugin_data,
)
from tensorboard.util.tensor_util import make_ndarray

from scarlet_pl.callbacks.tensorboard_tags import description
from scarlet_pl.run_files import read_rounds

from .test_cli import QUICK, SCARLET, scarlet_pl

INDIVIDUAL = str(Path(SCARLET).with_name("individual.yaml"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Finished runs by name, to be read."""
    folder = tmp_path_factory.mktemp("runs")
    for config in (SCARLET, INDIVIDUAL):
        assert scarlet_pl("fit", "--config", config, *QUICK, "--run_dir", str(folder / Path(config).stem)) == 0
    return {path.name: path for path in folder.iterdir()}


def events(run: Path, name: str) -> EventAccumulator:
    found = EventAccumulator(str(run / "tensorboard" / name))
    found.Reload()
    return found


def points(run: Path, name: str, tag: str) -> dict[int, float]:
    return {each.step: float(make_ndarray(each.tensor_proto)) for each in events(run, name).Tensors(tag)}


def charts(run: Path) -> dict[str, list[str]]:
    """The custom page: tags by title."""
    layout = layout_pb2.Layout()
    layout.ParseFromString(
        make_ndarray(events(run, "round").Tensors("custom_scalars__config__")[0].tensor_proto).item()
    )
    return {chart.title: list(chart.multiline.tag) for chart in layout.category[0].chart}


def test_rounds_and_kilobytes(runs: dict[str, Path]) -> None:
    rows = read_rounds(runs["scarlet"] / "rounds.csv")
    accuracy = {number: float(row["server/accuracy"]) for number, row in enumerate(rows)}
    assert points(runs["scarlet"], "round", "accuracy/server") == pytest.approx(accuracy)
    sent = [int(row["bytes/cumulative"]) // 1000 for row in rows]
    over = points(runs["scarlet"], "kb", "accuracy/server_over_kilobytes")
    assert over == pytest.approx(dict(zip(sent, accuracy.values(), strict=True)))
    found = events(runs["scarlet"], "round")
    assert [*found.PluginTagToContent("images"), *found.PluginTagToContent("histograms")] == ["split", "cache/ages"]
    scalars = found.PluginTagToContent("scalars")
    assert {"bytes/up", "bytes/down/labels", "cache/hit_rate", "accuracy/client"} <= set(scalars)
    assert min(scalars).startswith("accuracy/")


def test_what_is_always_0_has_no_card(runs: dict[str, Path]) -> None:
    tags = set(events(runs["individual"], "round").Tags()["tensors"])
    assert {"accuracy/client", "client/train_loss", "seconds"} <= tags
    assert not any(tag.startswith(("bytes/", "cache/", "paper_bytes/", "accuracy/server")) for tag in tags)
    assert not events(runs["individual"], "kb").Tags()["tensors"]
    rows = read_rounds(runs["scarlet"] / "rounds.csv")
    hits = {number: float(row["cache/hits"]) for number, row in enumerate(rows)}
    assert hits[0] == 0
    assert points(runs["scarlet"], "round", "cache/hits") == {step: value for step, value in hits.items() if step}


def test_a_resumed_run_goes_on_with_the_cards_that_it_had(tmp_path: Path) -> None:
    run = ("fit", "--config", SCARLET, *QUICK, "--run_dir", str(tmp_path / "run"))
    assert scarlet_pl(*run, "--trainer.max_rounds", "2") == 0
    assert scarlet_pl(*run, "--resume", "--resume_override") == 0
    assert list(points(tmp_path / "run", "round", "cache/hits")) == [1, 2, 3]
    accuracies = events(tmp_path / "run", "round").Tensors("accuracy/server")
    assert [each.step for each in accuracies] == [0, 1, 2, 3]
    assert len(events(tmp_path / "run", "final").Tensors("final/accuracy_server")) == 1


def test_the_lines_of_a_chart_are_runs(runs: dict[str, Path]) -> None:
    """Of one run TensorBoard draws all numbers in one colour."""
    scarlet, individual = charts(runs["scarlet"]), charts(runs["individual"])
    assert all(len(tags) == 1 for tags in scarlet.values())
    assert next(iter(scarlet)) == "server accuracy over rounds"
    assert "cache hit rate" in scarlet
    assert list(individual) == ["client accuracy over rounds", "seconds a round"]
    written = {*events(runs["scarlet"], "round").Tags()["tensors"], *events(runs["scarlet"], "kb").Tags()["tensors"]}
    assert {tag for tags in scarlet.values() for tag in tags} <= {f"^{tag}$" for tag in written}


def test_numbers_have_units(runs: dict[str, Path]) -> None:
    found = events(runs["scarlet"], "round")
    assert "bytes as sent" in found.SummaryMetadata("bytes/up").summary_description
    names = [
        name for name in read_rounds(runs["scarlet"] / "rounds.csv")[0] if name not in ("round", "cohort", "failed")
    ]
    assert [name for name in names if not description(name)] == []


def test_hyper_parameters_come_with_accuracy_and_bytes(runs: dict[str, Path]) -> None:
    found = events(runs["scarlet"], "final")
    tags = found.Tags()["tensors"]
    first = sorted(tag for tag in tags if tag.startswith("final/"))[:5]
    assert first == [f"final/{name}" for name in ("accuracy_client", "accuracy_server", "cache_hit_rate")] + [
        "final/megabytes_down",
        "final/megabytes_up",
    ]
    summary = json.loads((runs["scarlet"] / "summary.json").read_text())
    megabytes = points(runs["scarlet"], "final", "final/megabytes_up")
    assert megabytes == pytest.approx({0: summary["bytes_up"] / 1e6})
    kept: Any = found.SummaryMetadata(SESSION_START_INFO_TAG).plugin_data.content
    settings = parse_session_start_info_plugin_data(kept).hparams
    assert settings["method"].string_value == "Distillation"
    assert settings["method.cache.duration"].number_value == 10
    assert not any(name.startswith(("executor", "run_dir", "trainer.devices")) for name in settings)
    with pytest.raises(KeyError):  # else TensorBoard takes one run's columns for all
        found.SummaryMetadata(EXPERIMENT_TAG)


def test_the_configuration_is_shown_without_flags_that_are_not_set(runs: dict[str, Path]) -> None:
    text = make_ndarray(events(runs["scarlet"], "round").Tensors("config/text_summary")[0].tensor_proto).item().decode()
    shown = yaml.safe_load("\n".join(line.removeprefix("    ") for line in text.splitlines()))
    whole = yaml.safe_load((runs["scarlet"] / "config.yaml").read_text())
    assert None in whole["trainer"].values()
    assert shown == {**whole, "trainer": {name: each for name, each in whole["trainer"].items() if each is not None}}
