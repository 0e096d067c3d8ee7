"""The settings that errors name: those that were given, with the value that was rejected."""

from __future__ import annotations

from pathlib import Path

import pytest

from scarlet_pl.cli.checked import checked
from scarlet_pl.cli.given import full_name
from scarlet_pl.cli.parser import BadInput

TWO_CODECS = "--method.uplink_codec Quantized --method.uplink_codec.bits 8 --method.downlink_codec Quantized"
CONFIDENT = "--method.aggregator Confident --method.aggregator.inner ERA"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("--client.optimizer.lr 0.1 --server.optimizer.lr abc", "server.optimizer.lr: got 'abc'"),
        (f"{TWO_CODECS} --method.downlink_codec.bits 40", "method.downlink_codec.bits: got 40"),
        ("--federation.network.deadline -1", "federation.network.deadline: got -1.0"),
        (f"{CONFIDENT} --method.aggregator.inner.temperature -1", "method.aggregator.inner.temperature: got -1.0"),
        ("--config feddf --method.fusion.draw.size=0", "method.fusion.draw.size: got 0"),
    ],
)
def test_an_error_names_the_flag_whose_value_was_rejected(given: str, line: str) -> None:
    with pytest.raises(BadInput) as wrong:
        checked(["--config", "scarlet", *given.split()], "")
    assert str(wrong.value).startswith(line)


def test_flags_that_are_no_yaml_hide_no_error() -> None:
    arguments = ["--a.x=!!timestamp noon", "--a.y", "!!bool x", "--a.b.c", "7"]
    assert full_name("b.c", arguments, "7") == "a.b.c"


def test_a_setting_of_a_file_is_named_as_one_on_the_command_line_is(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("method: {init_args: {fusion: {class_path: F, init_args: {draw: {size: 0}}}, draw: {size: 7}}}")
    arguments = ["--config", str(path), "--method.draw.size=3", "--server.x", '{"draw": {"size": 9}}']
    assert full_name("method.draw.size", arguments, "0") == "method.fusion.draw.size"
    assert full_name("method.draw.size", arguments, "3") == "method.draw.size"
    assert full_name("draw.size", arguments, "9") == "server.x.draw.size"
    assert full_name("method.draw.size", arguments, "4") is None
    assert full_name("fusion", [*arguments, "--config", "none.yaml"], "'F'") == "method.fusion"
