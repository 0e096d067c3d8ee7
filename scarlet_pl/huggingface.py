"""The transformers library: an optional extra, imported where it is used and not before."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

INSTALL = "pip install 'scarlet-pl[text]'"
"""The command that installs it."""


def installed() -> bool:
    """Whether it is there."""
    return find_spec("transformers") is not None and find_spec("tokenizers") is not None


def transformers() -> Any:
    """The library, which then says nothing but errors.

    Raises:
        ImportError: it is not there.
    """
    if not installed():
        raise ImportError(f"transformers is missing: {INSTALL}")
    import transformers

    library: Any = transformers
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    return library
