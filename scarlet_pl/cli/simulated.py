"""`python -m scarlet_pl.cli.simulated NODES …`: `scarlet-pl fit …` of what so many nodes could run as well."""

from __future__ import annotations

import sys

from scarlet_pl.cli import put_current_folder_last
from scarlet_pl.cli.signals import stoppable


def main() -> None:
    nodes = int(sys.argv[1])
    sys.argv[:] = ["scarlet-pl", "fit", *sys.argv[2:]]
    put_current_folder_last(trusted=True)
    with stoppable():
        from scarlet_pl.cli.served import run  # torch and Lightning

        sys.exit(run(sys.argv, None, nodes))


if __name__ == "__main__":
    main()
