"""One event a line, whatever it holds."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from core.logs import _json


@pytest.mark.parametrize(
    "value",
    ["text", 1.5, None, ["list"], UUID(int=1), datetime(2026, 11, 23, tzinfo=UTC), object(), ValueError("x"), "\ud800"],
)
def test_any_value_makes_a_line_of_json(value: object) -> None:
    line = _json({"event": "request", "value": value})

    assert "\n" not in line
    assert json.loads(line)["event"] == "request"
    assert "value" in json.loads(line)


def test_a_key_that_is_no_text_does_not_cost_the_line() -> None:
    assert json.loads(_json({"event": "request", ("a", 1): 2}))["event"] == "request"
