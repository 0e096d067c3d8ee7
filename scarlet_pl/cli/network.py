"""`scarlet-pl keys` and `scarlet-pl app`, and the arguments of `serve` and `rehearse`: without torch and Lightning."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from scarlet_pl.cli.plain import Arguments, in_one_line
from scarlet_pl.flower.version import require_flower


@in_one_line
def run(argv: list[str]) -> int:
    """`scarlet-pl serve | rehearse | keys | app …`; the exit code."""
    try:
        require_flower()
        return _commands()[argv[1]](argv[2:])
    except (OSError, RuntimeError) as error:
        print(f"scarlet-pl: {error}", file=sys.stderr)
        return 1


def _commands() -> dict[str, Callable[[list[str]], int]]:
    from scarlet_pl.cli.rehearse import rehearse  # Flower
    from scarlet_pl.cli.serve import serve

    return {"serve": serve, "rehearse": rehearse, "keys": _keys, "app": _app}


def _keys(arguments: list[str]) -> int:
    from scarlet_pl.flower.keys import make_keys

    text = "Certificates for TLS and a key for each node, for a trial: whoever has a file has its rights."
    parser = Arguments(prog="scarlet-pl keys", description=text, allow_abbrev=False)
    parser.add_argument("folder", type=Path, metavar="DIR", help="for the files; none is overwritten")
    parser.add_argument("--hosts", nargs="+", default=["localhost"], help="names and addresses of the server")
    parser.add_argument("--nodes", nargs="+", default=[], metavar="NAME", help="a key pair for each")
    options = parser.parse_args(arguments)
    for path in make_keys(options.folder, options.hosts, options.nodes):
        print(path)
    return 0


def _app(arguments: list[str]) -> int:
    from scarlet_pl.flower.app_folder import write_app

    parser = Arguments(prog="scarlet-pl app", description="The app for `flwr run DIR`.", allow_abbrev=False)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder")
    folder = parser.parse_args(arguments).folder
    write_app(folder)
    print(f"{folder}: flwr run {folder} --run-config 'arguments=\"--config FILE --run_dir DIR\"'")
    return 0
