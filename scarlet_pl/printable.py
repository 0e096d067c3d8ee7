"""Texts of strangers, as they may be shown. Imports no torch."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with "?" for what is no character to read: in a terminal it might be a command."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
