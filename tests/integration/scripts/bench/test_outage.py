"""A whole service whose servers fall silent or go, for real."""

import asyncio

from scripts.bench.outage import measure


def test_whatever_is_away_nobody_is_failed_and_known_users_get_provisional_feeds() -> None:
    rows = ["redis silent", "postgres silent", "both gone"]

    figures = asyncio.run(measure(interactions=3_000, seconds=5.0, connections=4, seed=0, rows=rows))

    assert [row.away for row in figures.rows] == rows
    assert figures.failures == 0
    redis, postgres, both = (row.answers for row in figures.rows)
    assert redis["200 archive"] > 0
    assert redis["200 popular"] > 0
    assert any("provisional" in label for label in postgres)
    assert set(both) == {"200 popular"}
