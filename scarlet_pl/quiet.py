"""Lightning without what a user of ours need not know."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.fabric.utilities.warnings import PossibleUserWarning

_FORMAT = warnings.formatwarning


@contextmanager
def quiet() -> Iterator[None]:
    """In the block Lightning says nothing but what is wrong, and our own warnings are a line each."""
    logs = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels, format = [log.level for log in logs], warnings.formatwarning
    with warnings.catch_warnings():
        for log in logs:
            log.setLevel(logging.WARNING)
        warnings.formatwarning = _our_format
        warnings.filterwarnings("ignore", module="lightning", category=FutureWarning)
        warnings.filterwarnings("ignore", module="lightning", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=PossibleUserWarning)  # loaders without workers, an idle GPU: wanted
        warnings.filterwarnings("ignore", ".*configure_optimizers. returned .None.*")  # a server without work
        warnings.filterwarnings("ignore", ".*AccumulateGrad node's stream")  # Lightning's DDP; costs nothing
        try:
            yield
        finally:
            warnings.formatwarning = format
            for log, level in zip(logs, levels, strict=True):
                log.setLevel(level)


def _our_format(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Our own warnings are for users: a line without the place in the code."""
    if "scarlet_pl" in filename:
        return f"scarlet-pl: {message}\n"
    return _FORMAT(message, category, filename, lineno, line)
