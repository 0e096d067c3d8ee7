"""What `serve`, `join` and the others refuse: one line, exit code 2, and nothing is started."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scarlet_pl.cli import join, network
from tests.flower.site import CONFIG
from tests.test_cli import scarlet_pl


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """The line on standard error with which a command ends."""
    monkeypatch.setattr(sys, "argv", ["scarlet-pl", *arguments])
    run = join.run if arguments[0] == "join" else network.run
    try:
        code = run(sys.argv)
    except SystemExit as stop:
        code = int(stop.code or 0)
    lines = capsys.readouterr().err.splitlines()
    assert code == 2, lines
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("clients", ["4-9", "0,4-9", "2/2", "0/5", "x", "", "0,", "2-1", "-1", "0/0", None])
def test_clients_that_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clients: str | None
) -> None:
    command = "join", "--config", CONFIG, "--superlink", "localhost:1", "--state", str(tmp_path / "state")
    given = () if clients is None else (f"--clients={clients}",)
    line = refused(capsys, monkeypatch, *command, *given)
    assert line.startswith("scarlet-pl: clients: got ")
    assert line.endswith("allowed: clients from 0 to 3, as in 0,2,5-9, or a share of them, as in 0/2")
    assert not (tmp_path / "state").exists()


def test_clients_that_are() -> None:
    parse = join.parse_clients
    assert parse("0,2, 5-7", 8) == [0, 2, 5, 6, 7]
    assert [parse(f"{node}/3", 8) for node in range(3)] == [[0, 1], [2, 3, 4], [5, 6, 7]]
    assert parse("0/1", 3) == [0, 1, 2]


def test_a_node_needs_a_state_folder_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = "join", "--config", CONFIG, "--superlink", "localhost:1", "--clients", "0/2"
    assert "scarlet-pl: state: got None" in refused(capsys, monkeypatch, *command)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    line = refused(capsys, monkeypatch, *command, "--state", str(tmp_path))
    os.close(descriptor)
    assert line == f"scarlet-pl: state: got {str(tmp_path)!r}, allowed: a folder that no other node uses"
    (tmp_path / "file").touch()
    line = refused(capsys, monkeypatch, *command, "--state", str(tmp_path / "file"))
    assert line.startswith("scarlet-pl: state: got")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "superlink: got None, allowed: host:port of a SuperLink, or --socket with a path"),
        (("--superlink", "localhost:1", "--socket", "x"), "superlink: got 'localhost:1'"),
        (("--superlink", "localhost:1", "--root_certificates", "nowhere.crt"), "root_certificates: got 'nowhere.crt'"),
        (("--superlink", "localhost:1", "--key", "nowhere.key"), "key: got 'nowhere.key', allowed: a file with an SSH"),
        (("--superlink", "localhost:1", "--method", "Centralized"), "method: got 'Centralized', allowed: a method"),
    ],
)
def test_a_node_needs_a_superlink(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    line: str,
) -> None:
    command = "join", "--config", CONFIG, "--clients", "0/2", "--state", str(tmp_path / "state")
    assert refused(capsys, monkeypatch, *command, *arguments).startswith(f"scarlet-pl: {line}")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("serve", "--host", "0.0.0.0"), "host: got '0.0.0.0', allowed: 127.0.0.1 without --tls"),
        (("serve", "--host", "::"), "host: got '::', allowed: 127.0.0.1 without --tls"),
        (("serve", "--host", "example.org"), "host: got 'example.org', allowed: an address of this machine"),
        (("serve", "--host", "0.0.0.0", "--tls", "."), "tls: got '.', allowed: a folder with ca.crt"),
        (("serve", "--port", "65536"), "port: got 65536"),
        (("serve", "--port", "http"), "argument --port: invalid int value: 'http'"),
        (("serve", "--resume"), "run_dir: got"),
        (("rehearse", "--nodes", "0"), "nodes: got 0"),
        (("rehearse", "--lane", "slow"), "argument --lane: invalid choice: 'slow'"),
        (("rehearse", "--out", "."), "out: got"),
        (("keys", "--nodes", "a"), "the following arguments are required: DIR"),
        (("keys", ".", "--nodes", "../a"), "names: got '../a'"),
        (("app", "."), "folder: got '.'"),
    ],
)
def test_a_server_that_cannot_be(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    run_dir = ("--run_dir", str(tmp_path / "run")) if arguments[0] == "serve" else ()
    assert refused(capsys, monkeypatch, *arguments, *run_dir).startswith(f"scarlet-pl: {line}")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_own_data_are_for_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = "--data.own", "true", "--data.num_classes", "10", "--data.private", "npz:nowhere.npz"
    assert scarlet_pl("fit", "--config", CONFIG, "--run_dir", str(tmp_path / "run"), *own) == 2
    assert "scarlet-pl: data.own: got True, allowed: false, but for serve and join" in capsys.readouterr().err


WITHOUT_FLOWER = """
import sys
from importlib import metadata
version = metadata.version
def none(name):
    if name == "flwr":
        raise metadata.PackageNotFoundError(name)
    return version(name)
metadata.version = none
sys.modules["flwr"] = None
from scarlet_pl.cli import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["serve", "join", "rehearse", "keys", "app"])
def test_without_flower_a_line_says_what_to_install(command: str) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_FLOWER, command], capture_output=True, text=True)
    line = "scarlet-pl: flwr: got 'none', allowed: version 1.41: pip install 'scarlet-pl[flower]'\n"
    assert (done.returncode, done.stderr) == (2, line)


def test_a_port_that_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        line = refused(capsys, monkeypatch, "serve", "--config", CONFIG, "--run_dir", str(tmp_path), "--port", port)
    assert line.startswith(f"scarlet-pl: port: got {port}, allowed: a port that is free (")
