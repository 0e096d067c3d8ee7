"""Parts of the user's own, each in a file beside the configuration: found, shown, checked, counted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from scarlet_pl.cli import parts
from scarlet_pl.data import Partition
from scarlet_pl.errors import ConfigError
from scarlet_pl.methods import Aggregator, DrawPolicy, Method
from scarlet_pl.options import MOVED
from scarlet_pl.run_files import read_rounds
from scarlet_pl.wire import CommunicationLedger, LabelCodec, Message

from .run_folders import Capture
from .test_cli import QUICK, SCARLET, scarlet_pl

MINE = '''
from dataclasses import dataclass
import torch
from scarlet_pl.availability import Availability, Uniform
from scarlet_pl.data import IID
from scarlet_pl.executors import Serial
from scarlet_pl.methods import Aggregator, DrawPolicy, Individual, Mean, Upload
from scarlet_pl.methods.bounds.client import LocalClients
from scarlet_pl.wire import Envelope, Float32, Message

class Called(Exception):
    pass

class Bomb:
    """No part of any kind."""
    def __init__(self):
        raise Called("a class of another kind was called")

class Wrapped(Aggregator):
    """Another aggregator, and a bit.

    Args:
        inner: the other.
        bit: how much.
    """
    def __init__(self, inner: Aggregator = Mean(), bit: float = 0.5):
        self.inner, self.bit = inner, bit
    def sharpen(self, mean):
        return self.inner.sharpen(mean)

@dataclass(frozen=True)
class First(DrawPolicy):
    """The first samples."""
    size: int = 20
    def draw(self, seed, round, public_size, predict=None):
        return torch.arange(self.size)

class Same(Float32):
    """Float32 by another name."""

class Split(IID):
    """IID by another name."""

class OneByOne(Serial):
    """Serial by another name."""

class Pairs(Availability):
    """The first two clients."""
    def cohort(self, seed, round, clients):
        return (0, 1)

class PingClients(LocalClients):
    def uplink(self, round, result):
        return Message({"ping/one": b"1234"})

class Ping(Individual):
    """Local training, and four bytes up."""
    parts = ("ping",)
    def clients(self):
        return PingClients(self.name, self.population)
    def collect(self, plan, client, payload):
        parts = Message.unpack(payload, Envelope("up", self.name, plan.round, client), ("ping/one",))
        return Upload(client, Message(parts))
'''
OWN = {
    "method.aggregator": "Wrapped",
    "method.draw": "First",
    "method.uplink_codec": "Same",
    "data.partition": "Split",
    "executor": "OneByOne",
    "federation.availability": "Pairs",
    "method": "Ping",
}


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with mine.py."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine.py").write_text(MINE)
    sys.modules.pop("mine", None)
    return tmp_path


@pytest.mark.parametrize("field", OWN)
def test_a_part_of_the_users_own_runs(field: str, mine: Path) -> None:
    (mine / "mine.yaml").write_text(yaml.safe_dump(nested(field, {"class_path": f"mine.{OWN[field]}"})))
    rounds = ("--trainer.max_rounds", "1", "--run_dir", "run")
    assert scarlet_pl("fit", "--config", SCARLET, "--config", "mine.yaml", *QUICK, *rounds) == 0
    (row,) = read_rounds(mine / "run" / "rounds.csv")
    assert row["failed"] == ""
    if field == "method":
        assert row["bytes/up/ping"] == str(4 * 10)
    if field == "federation.availability":
        assert row["cohort"] == "2"


@pytest.mark.parametrize("how", ["flag", "file"])
@pytest.mark.parametrize("field", [*OWN, "client.optimizer"])
def test_a_class_of_another_kind_is_refused_and_never_called(field: str, how: str, mine: Path, capsys: Capture) -> None:
    (mine / "mine.yaml").write_text(yaml.safe_dump(nested(field, {"class_path": "mine.Bomb"})))
    given = ("--config", "mine.yaml") if how == "file" else (f"--{field}", "mine.Bomb")
    assert scarlet_pl("fit", "--config", SCARLET, *given) == 2
    said = capsys.readouterr().err
    assert f"{field}: got 'mine.Bomb', allowed: " in said
    assert len(said.strip().splitlines()) == 1
    assert not (mine / "logs").exists()


def nested(field: str, value: Any) -> dict[str, Any]:
    """A configuration with one setting."""
    for name in reversed(field.split(".")):
        value = {name: value}
    return dict(value)


@pytest.mark.parametrize(("field", "words"), [("method.draw", "First"), ("method.aggregator", "Wrapped")])
def test_a_part_of_the_users_own_is_shown_by_help(field: str, words: str, mine: Path, capsys: Capture) -> None:
    assert scarlet_pl("fit", f"--{field}.help", f"mine.{words}") == 0
    said = capsys.readouterr().out
    assert {"First": "--draw.size SIZE", "Wrapped": "how much."}[words] in said


def test_a_part_within_a_part_is_set_and_suggested(mine: Path, capsys: Capture) -> None:
    own = ("--method.aggregator", "mine.Wrapped", "--method.aggregator.inner")
    assert scarlet_pl("fit", "--config", SCARLET, *own, "ERRA") == 2
    said = capsys.readouterr().err
    assert "method.aggregator.inner: got 'ERRA', allowed: Mean, " in said
    assert "EnhancedERA" in said
    assert scarlet_pl("fit", "--config", SCARLET, *own, "ERA", "--method.aggregator.inner.temperatur", "1") == 2
    assert "did you mean 'method.aggregator.inner.temperature'?" in capsys.readouterr().err


def test_which_settings_hold_a_part_follows_from_the_constructors(mine: Path) -> None:
    import mine as own  # type: ignore[import-not-found]

    wanted = {"method": Method, "method.draw": DrawPolicy, "method.init_args.uplink_codec": LabelCodec}
    wanted |= {"data.partition": Partition, "method.aggregator.inner.inner": Aggregator}
    assert {field: parts.part_of(field) for field in wanted} == wanted
    assert {"method.aggregator.bit", "federation.availability.latency.mean"} <= parts.options()
    assert "EnhancedERA" in parts.names(Aggregator)
    assert own.Wrapped.__name__ not in parts.names(Aggregator)
    for field in ("client.epochs", "data.root", "method.cache", "nothing", "method.nothing", "trainer.callbacks"):
        assert parts.part_of(field) is None


@pytest.mark.parametrize("old", [old for old in MOVED if old != "method.cache.ratio"])
@pytest.mark.parametrize("how", ["flag", "file"])
def test_a_setting_that_moved_names_its_new_place(old: str, how: str, mine: Path, capsys: Capture) -> None:
    (mine / "old.yaml").write_text(yaml.safe_dump(nested(old, 0.5)))
    given = ("--config", "old.yaml") if how == "file" else (f"--{old}", "0.5")
    assert scarlet_pl("fit", "--config", SCARLET, *given) == 2
    said = capsys.readouterr().err
    assert said.strip().endswith(f"no such option any more; set {MOVED[old]}")
    assert len(said.strip().splitlines()) == 1


def test_a_ledger_counts_the_parts_that_a_method_names() -> None:
    ledger = CommunicationLedger(["masks"])
    round, message = ledger.open(0), Message({"masks/sign": b"12", "labels": b"345"})
    round.record(4, "up", bytes(20), message)
    ledger.commit(round.close())
    assert [ledger.total("up", part) for part in ("masks", "labels", "frame")] == [2, 3, 15]
    again = CommunicationLedger(["masks"])
    again.load_state_dict(ledger.state_dict())
    assert again.total("up", "masks") == 2
    with pytest.raises(ConfigError, match=r"ckpt_path: got .*'masks'.* allowed: a checkpoint of messages with the"):
        CommunicationLedger().load_state_dict(ledger.state_dict())
    with pytest.raises(ValueError, match="a message has a part 'masks', the method names frame, labels"):
        CommunicationLedger().open(0).record(4, "up", bytes(20), message)
    with pytest.raises(ConfigError, match=r"method\.parts: got 'paper'"):
        CommunicationLedger(["paper"])
