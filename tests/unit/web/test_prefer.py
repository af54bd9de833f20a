import pytest

from core.domain.job import Patience
from web.prefer import Preferences, read_preferences


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Preferences()),
        ("wait=10", Preferences(wait_seconds=10)),
        ("wait=0", Preferences(wait_seconds=0)),
        ("wait=25", Preferences(wait_seconds=25)),
        ("wait=26", Preferences(wait_seconds=25)),
        ("wait=999999999", Preferences(wait_seconds=25)),
        ('WAIT = "7"', Preferences(wait_seconds=7)),
        ("respond-async", Preferences(respond_async=True)),
        ("fallback", Preferences(fallback=True)),
        ("respond-async, wait=3,fallback", Preferences(3, respond_async=True, fallback=True)),
        ("wait=3;strict, respond-async; x=y", Preferences(3, respond_async=True)),
        ("wait=3, wait=9", Preferences(wait_seconds=3)),
        ('return=minimal, note="a, wait=9, b", wait=4', Preferences(wait_seconds=4)),
    ],
)
def test_preferences_are_read(header: str, expected: Preferences) -> None:
    assert read_preferences([header]) == expected


@pytest.mark.parametrize("header", ["wait", "wait=", "wait=-1", "wait=1.5", "wait=ten", "wait=٣", "waits=3", '"', "=,"])
def test_what_makes_no_sense_is_ignored(header: str) -> None:
    assert read_preferences([header]) == Preferences()


def test_several_headers_are_one_list() -> None:
    assert read_preferences(["wait=2", "fallback, wait=9"]) == Preferences(2, fallback=True)


@pytest.mark.parametrize(
    ("preferences", "expected"),
    [
        (Preferences(), Patience(2.0)),
        (Preferences(wait_seconds=0), Patience(0)),
        (Preferences(respond_async=True), Patience(2.0, respond_async=True)),
        (Preferences(0, respond_async=True), Patience(0, respond_async=True)),
        (Preferences(10, respond_async=True), Patience(10)),
        (Preferences(fallback=True), Patience(2.0, fallback=True)),
    ],
)
def test_preferences_make_the_patience(preferences: Preferences, expected: Patience) -> None:
    assert preferences.patience(default_wait_seconds=2.0) == expected


def test_only_what_the_answer_follows_counts_as_applied() -> None:
    everything = Preferences(5, respond_async=True, fallback=True)

    assert everything.applied() == "wait=5"
    assert everything.applied(accepted=True) == "wait=5, respond-async"
    assert everything.applied(popular=True) == "wait=5, fallback"
    assert Preferences().applied(accepted=True, popular=True) == ""


def test_a_header_too_long_to_be_sensible_is_ignored() -> None:
    assert read_preferences(["fallback, " + '"' * 8000]) == Preferences()
