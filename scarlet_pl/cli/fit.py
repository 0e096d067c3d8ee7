"""`scarlet-pl fit | validate | test`."""

from __future__ import annotations

from collections.abc import Callable

from scarlet_pl.cli.app import FederatedCLI
from scarlet_pl.cli.guard import guarded
from scarlet_pl.cli.help import asked
from scarlet_pl.cli.parser import Parser
from scarlet_pl.cli.run_dir import with_config_of_run
from scarlet_pl.cli.settings import ready


def run(argv: list[str], make: Callable[[], object] = FederatedCLI) -> int:
    """Run the subcommand in `argv`, program name first; the exit code.

    Args:
        make: what reads the arguments.
    """
    return guarded(lambda: _run(argv, make))


def _run(argv: list[str], make: Callable[[], object]) -> None:
    argv[1:], Parser.help_of = asked(ready(with_config_of_run(argv[1:])))
    make()
