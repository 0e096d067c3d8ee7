"""`python -m tests.flower.half ADDRESS`: a node that sends the first half of its first answer, and is killed."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from scarlet_pl.flower.fleet import Fleet
from scarlet_pl.flower.records import answer_record

T = TypeVar("T")


class Once:
    """Lets the first `left` steps be taken."""

    def __init__(self, left: int) -> None:
        self.left = left

    def until_it_works(self, act: Callable[[], T]) -> T:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        return act()


if __name__ == "__main__":
    fleet = Fleet(sys.argv[1])
    fleet.come()
    while not (message := fleet.look(Once(-1))):
        time.sleep(0.1)
    fleet.answer(message, answer_record(b"0 half"), 0.0, Once(1))
