"""The command line: `scarlet-pl fit | validate | test | estimate | compare`."""

from __future__ import annotations

import sys

from scarlet_pl.cli.signals import stoppable


def main() -> None:
    """Run the command of `sys.argv` and exit with its code: 0, 1 for a run that failed, 2 for bad input."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    with stoppable():  # before the imports, which take seconds
        if command == "compare":
            from scarlet_pl.cli.compare import run  # starts at once: neither torch nor Lightning
        elif command == "estimate":
            from scarlet_pl.cli.estimate import run
        else:
            from scarlet_pl.cli.app import run
        sys.exit(run(sys.argv))
