"""The benchmark of single feeds tells the truth on a small model."""

import json

import pytest
from typer.testing import CliRunner

from scripts.bench.generate import app, measure


def test_it_tells_times_memory_and_that_the_bulk_path_says_the_same() -> None:
    figures = measure(users=400, posts=150, interactions=8_000, history=20, requests=40, seed=3)

    assert (figures.users, figures.posts, figures.history, figures.requests) == (400, 150, 20, 40)
    assert figures.same_bits_as_bulk
    assert 0 < figures.median_milliseconds <= figures.slowest_hundredth_milliseconds
    assert figures.ratio_to_plain == figures.plain_median_milliseconds / figures.median_milliseconds


def test_a_call_allocates_no_more_with_more_users() -> None:
    few, many = (
        measure(users=users, posts=200, interactions=10 * users, history=10, requests=1, seed=1).allocated_bytes
        for users in (500, 20_000)
    )

    assert many < few + 10_000


def test_one_json_document_on_request() -> None:
    result = CliRunner().invoke(
        app, ["--users", "50", "--posts", "60", "--interactions", "900", "--requests", "5", "--json"]
    )

    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["users"] == 50


@pytest.mark.parametrize(
    ("option", "value"), [("--users", "3"), ("--history", "0"), ("--requests", "-1"), ("--posts", "x")]
)
def test_options_out_of_bounds_are_named(option: str, value: str) -> None:
    result = CliRunner().invoke(app, [option, value])

    assert result.exit_code == 2
    assert option in result.output


def test_a_history_longer_than_there_are_posts_is_refused() -> None:
    result = CliRunner().invoke(app, ["--posts", "10", "--history", "11"])

    assert result.exit_code == 2
    assert "at least as many posts" in result.output
