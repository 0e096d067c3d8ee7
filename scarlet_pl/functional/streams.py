"""Streams of large things."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def lean_map(function: Callable[[A], B | None], items: Iterable[A]) -> Generator[B, None, None]:
    """What `function` makes of each item, where that is not None.

    Neither an item nor a result is kept while the next one is made, as the variables of a loop would keep them: for
    large networks that counts.
    """
    for item in items:
        made = [function(item)]
        del item
        if made[0] is not None:
            yield made.pop()  # type: ignore[misc]
