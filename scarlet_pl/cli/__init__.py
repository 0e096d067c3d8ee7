"""The command line: `scarlet-pl fit | validate | test`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the subcommand of `sys.argv` and exit with its code: 0, 1 for a run that failed, 2 for bad input."""
    from scarlet_pl.cli.app import run  # Lightning takes four seconds to import

    sys.exit(run(sys.argv))
