"""The benchmark of freshness follows acts, new posts and cached reads through a whole service."""

import json

import pytest
from typer.testing import CliRunner

from scripts.bench.cli import app
from scripts.bench.freshness import SERVICE

SMALL = ("--users", "1000", "--seconds", "3", "--posts", "1", "--rounds", "1", "--round-seconds", "1")


def test_acts_and_new_posts_are_followed_until_feeds_know_of_them() -> None:
    finished = CliRunner().invoke(app, ["freshness", *SMALL, "--json"])

    assert finished.exit_code == 0, finished.output
    figures = json.loads(finished.output)
    assert (figures["users"], figures["given_up"], figures["posts"][0]["asking"]) == (1000, 0, 25)
    assert all(figures["to_feed"][way]["count"] > 0 for way in ("inserted", "posted"))
    assert figures["to_hidden"]["all"]["count"] == figures["to_feed"]["all"]["count"]
    assert figures["posts"][0]["reached"] >= 13
    assert set(figures["statuses"]) == {"200", "202"}
    (reads,) = figures["rounds"]
    assert figures["kept_share"] == reads["busy"] / reads["calm"]
    processor = figures["processor"]
    acts = processor["act_milliseconds"]
    assert all(acts[kind] > 0 for kind in ("web", "worker", "postgres", "app"))
    assert processor["service_share"] == pytest.approx(0.1 * sum(acts[kind] for kind in SERVICE) / processor["cores"])
    assert processor["read_microseconds"] > 0
    assert processor["kept_share"] > 0


@pytest.mark.parametrize(("option", "value"), [("--users", "3"), ("--seconds", "0"), ("--posts", "x")])
def test_options_out_of_bounds_are_named(option: str, value: str) -> None:
    finished = CliRunner().invoke(app, ["freshness", option, value])

    assert finished.exit_code == 2
    assert option in finished.output
