"""The files of `examples/network`: what they run is what there is."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from scarlet_pl.cli.join import JoinCLI
from scarlet_pl.cli.parser import Parser

from ..conftest import EXAMPLES

FOLDER = EXAMPLES / "network"
SERVES = {"config", "run_dir", "host", "tls", "data.private", "data.public"}


def commands() -> list[list[str]]:
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    pod = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text())
    services = [shlex.split(each["command"]) for each in compose["services"].values() if "command" in each]
    return [*services, pod["spec"]["template"]["spec"]["containers"][0]["args"]]


def flags(command: list[str]) -> set[str]:
    return {each[2:].partition("=")[0] for each in command if each.startswith("--")}


def test_the_commands_have_flags_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def known(self: Parser, *args: Any, **kwargs: Any) -> Any:
        seen["options"] = self._known_options()
        raise SystemExit(0)

    monkeypatch.setattr(Parser, "parse_args", known)
    with pytest.raises(SystemExit):
        JoinCLI(run=False)
    assert len(commands()) == 4
    for command in commands():
        assert command[0] in ("serve", "join")
        assert flags(command) <= (SERVES if command[0] == "serve" else seen["options"])


def test_what_they_mount_is_there_where_it_is_read() -> None:
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    for service in compose["services"].values():
        mounted = [mount.split(":")[1] for mount in service["volumes"]]
        read = re.findall(r"(?:npz:| )(/[\w./]+)", service.get("command", ""))
        assert all(any(Path(path).is_relative_to(place) for place in mounted) for path in read)
    volumes = {mount.split(":")[0] for each in compose["services"].values() for mount in each["volumes"]}
    assert {each for each in volumes if not each.startswith(".")} == set(compose["volumes"])


def test_the_proxy_lets_the_fleet_api_through_alone() -> None:
    config = (FOLDER / "nginx.conf").read_text()
    assert re.findall(r"location (\S+)", config) == ["/v1/fleet/", "/"]
    assert "return 403" in config


def test_the_health_check_sees_whether_a_server_listens() -> None:
    serve = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["serve"]
    _, *command = serve["healthcheck"]["test"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        here = [each.replace("8000", port).replace("python", sys.executable) for each in command]
        assert subprocess.run(here).returncode == 0
    assert subprocess.run(here, stderr=subprocess.DEVNULL).returncode != 0


def test_the_image_installs_extras_that_there_are() -> None:
    root = FOLDER.parents[1]
    named = re.findall(r"EXTRAS=([\w,]+)", (root / "Dockerfile").read_text())
    there = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert named
    assert {extra for each in named for extra in each.split(",")} <= there.keys()
