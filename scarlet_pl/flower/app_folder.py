"""The app that Flower's tools run: three small files. What they run is installed on each machine."""

from __future__ import annotations

from pathlib import Path

from scarlet_pl import __version__
from scarlet_pl.errors import require

_PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "scarlet-app"
version = "{version}"
description = "Federated distillation with scarlet_pl"
license = "Apache-2.0"
dependencies = []      # scarlet-pl[flower] is installed where this runs, and not by Flower

[tool.hatch.build.targets.wheel]
packages = ["."]

[tool.flwr.app]
publisher = "scarlet-pl"

[tool.flwr.app.components]
serverapp = "server:app"
clientapp = "client:app"

[tool.flwr.app.config]
arguments = ""         # of the command line of scarlet-pl fit
folder = ""            # in which it runs
exit_file = ""         # a file for its exit code
"""
_SERVER = '''\
"""The server of a federation."""

from scarlet_pl.cli.server_app import app as _app

app = _app
'''
_CLIENT = '''\
"""A node of a federation."""

from scarlet_pl.flower.client_app import app as _app

app = _app
'''


def write_app(folder: Path) -> None:
    """Write the app.

    Raises:
        ConfigError: something else is there.
    """
    files = {"pyproject.toml": _PROJECT.format(version=__version__), "server.py": _SERVER, "client.py": _CLIENT}
    others = sorted(each.name for each in folder.iterdir() if each.name not in files) if folder.is_dir() else []
    require(not others, "folder", str(folder), f"a new folder, or one with nothing but the app; here is {others[:3]}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
