"""scarlet_pl: federated distillation on PyTorch Lightning, every byte counted.

What is named here is imported when it is first used: `import scarlet_pl` itself imports neither torch nor Lightning.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_ROOMS = ("availability", "cache", "callbacks", "data", "executors", "learning", "methods", "models", "wire")
_NAMES = {
    "fit": "api.fit",
    "Run": "api.run",
    "load": "api.run",
    "Comparison": "report.compare",
    "Estimate": "api.tables",
    "compare": "api.tables",
    "estimate": "api.tables",
    "run_callbacks": "callbacks",
    "ClientConfig": "client",
    "FederatedDataModule": "data",
    "ConfigError": "errors",
    "Federation": "federation",
    "FederationConfig": "federation",
    "FederatedCallback": "loop",
    "FederatedTrainer": "loop",
    "ServerConfig": "server",
    "ServerModule": "server",
}
__all__ = sorted([*_ROOMS, *_NAMES])


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # tqdm's, in notebooks without widgets
        module = import_module(f"{__name__}.{_NAMES.get(name, name)}")
    return getattr(module, name) if name in _NAMES else module


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
