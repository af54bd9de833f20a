"""How soon a worker begins with a job, measured for real with a few jobs."""

import asyncio

from scripts.bench.queue import measure


def test_both_brokers_are_measured_in_one_sitting() -> None:
    figures = asyncio.run(measure(jobs=4, seed=1, idle_seconds=1.0))

    assert figures.jobs == 4
    for one in (figures.ours, figures.stock):
        assert 0 < one.p50_ms <= one.p99_ms <= one.worst_ms
        assert one.idle_commands_a_second > 0
    assert figures.ratio == figures.stock.p50_ms / figures.ours.p50_ms
