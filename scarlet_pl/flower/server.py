"""A server as Flower starts it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from scarlet_pl.flower.grid import GridMail
from scarlet_pl.network.mail import Mail


def server_app(main: Callable[[Mail, dict[str, Any]], int]) -> ServerApp:
    """An app that runs `main` with the mail to all nodes and the run's configuration, puts its exit code into the file
    that the configuration names as `exit_file`, and has failed, for Flower, where that is not 0."""
    app = ServerApp()

    @app.main()
    def run(grid: Grid, context: Context) -> None:
        settings = dict(context.run_config)
        code = _code(main, GridMail(grid), settings)
        if settings.get("exit_file"):
            Path(str(settings["exit_file"])).write_text(f"{code}\n")
        if code:
            logging.getLogger("flwr").setLevel(logging.CRITICAL)  # `main` has said what there is to say
            raise RuntimeError(f"exit code {code}")

    return app


def _code(main: Callable[[Mail, dict[str, Any]], int], mail: Mail, settings: dict[str, Any]) -> int:
    """The exit code of `main`. Flower does not see that an app has ended by `SystemExit`."""
    try:
        return main(mail, settings)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
