"""Which Flower this works with. To be called before anything else of this room is imported."""

from __future__ import annotations

from importlib import metadata

from scarlet_pl.errors import require

_MINOR = "1.41"


def require_flower() -> None:
    """Nothing, where Flower is installed in the version that all of a federation must have.

    Raises:
        ConfigError: it is not, or in another minor version: its SuperLinks and nodes refuse each other's.
    """
    try:
        found = metadata.version("flwr")
    except metadata.PackageNotFoundError:
        found = "none"
    ok = found == _MINOR or found.startswith(f"{_MINOR}.")
    require(ok, "flwr", found, f"version {_MINOR}: pip install 'scarlet-pl[flower]'")
