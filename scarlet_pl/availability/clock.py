"""The simulated time of a round."""

from __future__ import annotations

import math

from scarlet_pl.availability.base import Availability, Work
from scarlet_pl.errors import require


class Clock:
    """Whose answers in a round come in time, and how long the round lasts.

    Args:
        availability: says how long each answer takes.
        seed, round: of what it draws.
        asked: of how many clients an answer is expected.

    Attributes:
        late: whose answer came after the deadline.
    """

    def __init__(self, availability: Availability, seed: int, round: int, asked: int) -> None:
        self._availability, self._seed, self._round, self._asked = availability, seed, round, asked
        self._came: list[float] = []
        self.late: list[int] = []

    def in_time(self, client: int, work: Work) -> bool:
        """Whether an answer came before the deadline; what came later was not received."""
        available = self._availability
        seconds = available.seconds(self._seed, self._round, client, work)
        ok, kind = math.isfinite(seconds) and seconds >= 0, type(available).__name__
        allowed = "one whose seconds are finite and >= 0"
        require(ok, "federation.availability", f"{kind} with {seconds} seconds", allowed)
        in_time = available.deadline is None or seconds <= available.deadline
        if in_time:
            self._came.append(seconds)
        else:
            self.late.append(client)
        return in_time

    @property
    def seconds(self) -> float | None:
        """Simulated, from the start of the round to its end; None where time is not simulated."""
        available = self._availability
        if not available.timed:
            return None
        all_came = len(self._came) == self._asked
        return max(self._came, default=0.0) if all_came or available.deadline is None else available.deadline
