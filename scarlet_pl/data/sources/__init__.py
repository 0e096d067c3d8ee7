"""Data sets: by name, or a user's own class."""

from scarlet_pl.data.sources.named import named
from scarlet_pl.data.sources.source import Facts, Source, Splits, labelled

__all__ = ["Facts", "Source", "Splits", "labelled", "named"]
