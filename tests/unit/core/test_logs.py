"""One event a line, whatever it holds."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core.logs import _json, _stamp


def line_of(event: dict[Any, Any]) -> str:
    return _json(None, "info", event)


@pytest.mark.parametrize(
    "value",
    ["text", 1.5, None, ["list"], UUID(int=1), datetime(2026, 11, 23, tzinfo=UTC), object(), ValueError("x"), "\ud800"],
)
def test_any_value_makes_a_line_of_json(value: object) -> None:
    line = line_of({"event": "request", "value": value})

    assert "\n" not in line
    assert json.loads(line)["event"] == "request"
    assert "value" in json.loads(line)


def test_a_key_that_is_no_text_does_not_cost_the_line() -> None:
    assert json.loads(line_of({"event": "request", ("a", 1): 2}))["event"] == "request"


@pytest.mark.parametrize("value", ["text", "\ud800"], ids=["as a rule", "what msgspec cannot write"])
def test_the_moment_is_told_in_utc(value: str) -> None:
    line = json.loads(line_of(dict(_stamp(None, "info", {"value": value}))))

    told = datetime.fromisoformat(line["timestamp"])
    assert told.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)
