"""The benchmark of a live tail tells the truth on a small model."""

import json

import pytest
from typer.testing import CliRunner

from scripts.bench.tail import app, measure


def test_it_tells_speeds_side_by_side_and_what_the_tail_holds() -> None:
    figures = measure(users=400, posts=150, interactions=8_000, share=0.1, history=20, requests=30, seed=3)

    assert (figures.users, figures.posts, figures.tail) == (400, 150, 900)
    assert figures.new_posts > 0
    assert figures.new_users > 0
    assert figures.single_ratio == figures.single_milliseconds / figures.single_milliseconds_with_tail
    assert figures.chunk_ratio == pytest.approx(
        figures.chunk_milliseconds_each / figures.chunk_milliseconds_each_with_tail
    )


def test_one_json_document_on_request() -> None:
    result = CliRunner().invoke(
        app, ["--users", "50", "--posts", "60", "--interactions", "900", "--requests", "5", "--json"]
    )

    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["tail"] == 145


@pytest.mark.parametrize(("option", "value"), [("--users", "3"), ("--share", "2"), ("--requests", "0")])
def test_options_out_of_bounds_are_named(option: str, value: str) -> None:
    result = CliRunner().invoke(app, [option, value])

    assert result.exit_code == 2
    assert option in result.output
