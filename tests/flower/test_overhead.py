"""What a message costs on the wire beside what it holds."""

from __future__ import annotations

import pytest

from scarlet_pl.bench.network import overhead
from tests.flower.site import CONFIG

pytestmark = [pytest.mark.slow, pytest.mark.full]


def test_a_request_and_its_answer_cost_at_most_12_kb(capfd: pytest.CaptureFixture[str]) -> None:
    message, look = overhead(["--config", CONFIG, "--nodes", "2"])
    assert "the digests are the same" in capfd.readouterr().out
    assert 0 < look < message <= 12_000
