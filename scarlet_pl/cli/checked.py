"""Configurations that are read and checked, and not run."""

from __future__ import annotations

import sys

from scarlet_pl.cli.app import FederatedCLI
from scarlet_pl.cli.config_files import check_config_files
from scarlet_pl.cli.estimate import estimates
from scarlet_pl.cli.parser import Parser, exact_names, fail, one_line
from scarlet_pl.wire import DIRECTIONS


class CheckedCLI(FederatedCLI):
    """Makes the objects of a configuration, without their data."""

    def instantiate_classes(self) -> None:
        self.made, self.settings = self.make_settings(), self._settings()

    def megabytes(self) -> tuple[float, float, bool]:
        """What all will send up and down (10⁶ bytes), and whether that is exact."""
        rounds, exact = estimates(self.made, None)
        up, down = (sum(each.bytes[f"bytes/{way}"] for each in rounds) / 1e6 for way in DIRECTIONS)
        return up, down, exact


def checked(arguments: list[str], where: str) -> CheckedCLI:
    """What `scarlet-pl fit` with these arguments would run.

    Args:
        where: begins the line that says what is wrong.
    """
    before, sys.argv[:] = list(sys.argv), ["scarlet-pl", *exact_names(arguments)]
    Parser.where = where
    try:
        check_config_files(sys.argv[1:])
        return CheckedCLI(run=False)
    except (ValueError, TypeError) as error:
        line = one_line(str(error), arguments=sys.argv)
        if ": got " not in line:  # not about the configuration: a fault of ours, to be seen whole
            raise
        fail(where + line)
    finally:
        sys.argv[:], Parser.where = before, ""
