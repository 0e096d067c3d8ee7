"""The server's half of a federation on a network, as Flower starts it: `fit` with its clients elsewhere."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Any

from scarlet_pl.cli import put_current_folder_last
from scarlet_pl.cli.signals import stoppable
from scarlet_pl.flower.server import server_app
from scarlet_pl.network.mail import Mail


def main(mail: Mail, settings: dict[str, Any]) -> int:
    """Run a federation over the mail; the exit code.

    Args:
        settings: `arguments` of `scarlet-pl fit`, as a shell has them, and the `folder` in which it runs.
    """
    if settings["folder"]:
        os.chdir(str(settings["folder"]))
    sys.argv = ["scarlet-pl", "fit", *shlex.split(str(settings["arguments"]))]
    put_current_folder_last(trusted="--trust_code" in sys.argv or "--resume" not in sys.argv)
    with stoppable():
        from scarlet_pl.cli.served import run  # torch and Lightning

        return run(sys.argv, mail)


app = server_app(main)
