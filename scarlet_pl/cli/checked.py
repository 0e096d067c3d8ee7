"""Configurations that are read and checked, and not run."""

from __future__ import annotations

from scarlet_pl.cli.app import FederatedCLI
from scarlet_pl.cli.estimate import estimates
from scarlet_pl.cli.guard import checking_input
from scarlet_pl.cli.parser import BadInput, fail
from scarlet_pl.cli.settings import called_with
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

    Raises:
        BadInput: it would not run.
    """
    try:
        with called_with(arguments), checking_input():
            return CheckedCLI(run=False)
    except BadInput as wrong:
        fail(f"{where}{wrong}")
