"""The command line: `scarlet-pl COMMAND`."""

from __future__ import annotations

import difflib
import sys
from importlib import import_module
from itertools import pairwise
from pathlib import Path

from scarlet_pl import __version__
from scarlet_pl.cli.output import outlive_readers
from scarlet_pl.cli.signals import rank, stoppable
from scarlet_pl.errors import ConfigError
from scarlet_pl.shipped import find_config

_GROUPS = {
    "one run": {
        "fit": "run a federation: rounds of training, communication and distillation",
        "validate": "test the server's model of a run",
        "test": "test the server's and the clients' models of a run",
        "configs": "list the configurations that come with the package, or print one",
        "estimate": "what a configuration will send, without training or data",
    },
    "several runs": {
        "compare": "accuracy and bytes of runs, side by side, as a table and as pictures",
        "report": "the same as one HTML file with interactive charts, to send to others",
        "sweep": "run every cell of an experiment, and show what came of them",
        "results": "fill a page's tables and pictures from the results of experiments",
    },
    "clients on other machines": {
        "serve": "run a federation whose clients are on other machines",
        "join": "take care of some of its clients on this machine",
        "rehearse": "serve and join on this machine, and compare with the simulation",
        "keys": "make certificates and keys for a trial",
        "app": "write the app that Flower's own tools run",
    },
}
COMMANDS = {name: what for group in _GROUPS.values() for name, what in group.items()}
_START = "fit", "validate", "test"
_MODULES = {"validate": "fit", "test": "fit", **dict.fromkeys(("serve", "rehearse", "keys", "app"), "network")}
"""Of the commands whose module has another name."""


def main() -> None:
    """Run the command of `sys.argv` and exit with its code: 0, 1 for a run that failed, 2 for bad input."""
    outlive_readers()
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    put_current_folder_last(trusted="--trust_code" in sys.argv or not (command in _START[1:] or "--resume" in sys.argv))
    if command in ("", "-h", "--help"):
        print(_help())
        sys.exit(0 if command else 2)
    if command == "--version":
        print(f"scarlet-pl {__version__}")
        sys.exit(0)
    if command not in COMMANDS and not command.startswith("-"):
        print(f"scarlet-pl: {_unknown(command)}", file=sys.stderr)
        sys.exit(2)
    with stoppable():  # before the imports, which take seconds
        if command in _START and rank() == 0 and not any(map(_asks, sys.argv)):
            _check_files(sys.argv)
            print(
                f"scarlet-pl {command}: loading PyTorch and Lightning{_without_config(command, sys.argv)}", flush=True
            )
        sys.exit(_run(command))


def put_current_folder_last(trusted: bool) -> None:
    """Users have classes of their own in the current folder. It comes last on the path, so that it hides no package;
    with a run folder that may be a stranger's it is not searched at all."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return  # it was deleted
    if here == Path(__file__).parents[2]:
        return  # this package's own
    sys.path[:] = [each for each in sys.path if each and Path(each) != here]
    if trusted:
        sys.path.append(str(here))


def _run(command: str) -> int:
    """Import what the command needs, and nothing more: some need neither torch nor Lightning."""
    module = import_module(f"{__name__}.{_MODULES.get(command, command if command in COMMANDS else 'fit')}")
    code: int = module.run(sys.argv)
    return code


def _asks(argument: str) -> bool:
    """Whether a command with this argument says something and ends."""
    flag = argument.partition("=")[0]
    return flag in ("-h", "--help", "--print_config") or (flag.startswith("--") and flag.endswith(".help"))


def _check_files(arguments: list[str]) -> None:
    """End with a line for a `--config` that is not there, before the imports."""
    try:
        for flag, value in pairwise([*arguments, ""]):
            if flag == "--config" or flag.startswith("--config="):
                find_config(flag.partition("=")[2] or value)
    except ConfigError as error:
        print(f"scarlet-pl: {error}", file=sys.stderr)
        sys.exit(2)


def _without_config(command: str, arguments: list[str]) -> str:
    """What a run without a configuration is."""
    if command != "fit" or any(each.startswith(("--config", "--resume")) for each in arguments):
        return ""
    return "; no --config, so all settings have their defaults (scarlet-pl configs lists configurations)"


def _help() -> str:
    groups = "\n\n".join(
        "\n".join([f"{title}:", *(f"  {name:9} {what}" for name, what in commands.items())])
        for title, commands in _GROUPS.items()
    )
    return (
        "usage: scarlet-pl COMMAND [--config FILE] [--SETTING VALUE …]\n\n"
        "Federated distillation on PyTorch Lightning.\n\n"
        f"{groups}\n\n"
        "example:\n"
        "  scarlet-pl fit --config scarlet --trainer.max_rounds 20\n"
        "  scarlet-pl compare logs/*/version_*\n\n"
        "scarlet-pl COMMAND --help shows its settings, scarlet-pl --version the version."
    )


def _unknown(command: str) -> str:
    near = difflib.get_close_matches(command, COMMANDS, 1, 0.5)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"command: got {command!r}, allowed: {', '.join(COMMANDS)}{hint}"
