"""The server's mail over Flower's grid, without Flower's processes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from scarlet_pl.flower import grid
from scarlet_pl.flower.grid import GridMail


class SlowGrid:
    """Has the answer to each message, hands it out once, and takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.handed_out = seconds, set[str]()

    def pull_messages(self, ids: Iterable[str]) -> list[Any]:
        new = [each for each in ids if each not in self.handed_out]
        self.handed_out.update(new)
        time.sleep(self.seconds)
        replies = [SimpleNamespace(metadata=SimpleNamespace(reply_to_message_id=each), content=each) for each in new]
        for reply in replies:
            reply.has_error = lambda: False
        return replies


def test_an_answer_that_takes_long_to_fetch_is_for_who_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not lost to who looks for others meanwhile."""
    monkeypatch.setattr(grid, "read_answer", lambda content: b"answer")
    monkeypatch.setattr(grid, "_WAIT", 0.05)
    mail = GridMail(SlowGrid(0.3))  # type: ignore[arg-type]
    assert mail.receive([5]) == {}
    time.sleep(0.5)
    assert mail.receive([]) == {}
    assert mail.receive([6]) == {}
    assert mail.receive([5]) == {5: b"answer"}
    assert mail.receive([5]) == {}


def test_what_nobody_asks_for_again_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "read_answer", lambda content: b"answer")
    monkeypatch.setattr(grid, "_WAIT", 0.01)
    monkeypatch.setattr(grid, "_KEPT", 0.1)
    mail = GridMail(SlowGrid(0.1))  # type: ignore[arg-type]
    assert mail.receive([5]) == {}
    time.sleep(0.2)
    assert mail.receive([]) == {}
    time.sleep(0.2)
    assert mail.receive([]) == {}
    assert mail._came == {}
