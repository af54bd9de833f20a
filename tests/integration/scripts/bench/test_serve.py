"""Cached answers, measured for real where wrk is there."""

import asyncio
import shutil

import pytest

from core.domain.errors import ConfigurationError
from scripts.bench.serve import measure


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk drives the load")
def test_every_kind_is_measured_beside_the_constant() -> None:
    figures = asyncio.run(measure(users=50, seconds=1, rounds=1))

    kinds = {"constant", "plain", "compressed", "excluding", "page_two", "stranger", "fastapi"}
    assert set(figures.loads) == kinds
    assert figures.loads["constant"].share == figures.loads["fastapi"].times_fastapi == 1
    assert all(load.requests_a_second > 0 and load.p99_ms > 0 for load in figures.loads.values())
    assert figures.body_bytes > 4000
    assert 1000 < figures.compressed_bytes < figures.body_bytes / 2
    assert figures.compressed_bytes < figures.bytes_per_feed < 40 * 150 + 200


def test_without_wrk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ConfigurationError, match="wrk is not installed"):
        asyncio.run(measure(users=1, seconds=1, rounds=1))
