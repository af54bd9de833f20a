"""The benchmark of ingestion measures every way and reports it."""

import json

from typer.testing import CliRunner

from scripts.bench.cli import app


def test_all_ways_are_measured_with_real_servers() -> None:
    finished = CliRunner().invoke(app, ["ingest", "--batch", "20", "--seconds", "0.5", "--json"])

    figures = json.loads(finished.output)
    assert finished.exit_code == 0
    assert all(
        figures[way] > 0 for way in ("batches", "single", "plain", "plain_without_alarm", "times_plain", "p99_ms")
    )
    assert (figures["batch"], figures["aim"]) == (20, 5000)
