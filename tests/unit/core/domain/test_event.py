"""Events have an id, a time that can be true, and are told apart by what they say."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import InvalidInput
from core.domain.event import content_id, distinct, event_of, external_ids
from core.domain.ids import to_uuid
from core.domain.interaction import InteractionType
from core.infrastructure.interaction_rows import TYPES, UUID_BYTES, InteractionRows

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIKE, VIEW = InteractionType.LIKE, InteractionType.VIEW


@given(
    st.uuids(),
    st.uuids(),
    st.sampled_from(InteractionType),
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_the_id_of_an_event_s_content_is_that_of_an_import(
    user_id: UUID, post_id: UUID, kind: InteractionType, moment: datetime
) -> None:
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    rows = InteractionRows(
        np.frombuffer(user_id.bytes, UUID_BYTES),
        np.frombuffer(post_id.bytes, UUID_BYTES),
        np.array([TYPES.index(kind)], np.uint8),
        np.array([microseconds]),
    )

    assert content_id(user_id, post_id, kind, moment) == UUID(bytes=rows.content_ids().tobytes())


def test_without_an_id_the_same_event_told_twice_is_the_same() -> None:
    one, again = (event_of(place, "anna", "post-1", LIKE, NOW, told_at=NOW) for place in (0, 1))
    other = event_of(2, "anna", "post-1", VIEW, NOW, told_at=NOW)

    events, refusals = distinct([one, again, other])

    assert (events, refusals) == ([one, other], [])


def test_an_id_is_a_text_of_the_caller_s_choice() -> None:
    id_ = uuid4()

    assert event_of(0, "anna", "p", LIKE, NOW, id_text=str(id_).upper()).id == id_
    assert event_of(0, "anna", "p", LIKE, NOW, id_text="event 1").id == to_uuid("event 1")


def test_two_events_under_one_id_contradict_each_other() -> None:
    first = event_of(0, "anna", "post-1", LIKE, NOW, id_text="one")
    same = event_of(1, "anna", "post-1", LIKE, NOW + timedelta(seconds=30), id_text="one")
    other = event_of(2, "anna", "post-2", LIKE, NOW, id_text="one")

    events, refusals = distinct([first, same, other])

    assert events == [first]
    assert [(refusal.place, refusal.is_id_taken) for refusal in refusals] == [(2, True)]


def test_the_time_counts_where_it_was_told() -> None:
    timed = event_of(0, "anna", "post-1", LIKE, NOW, id_text="one", told_at=NOW - timedelta(hours=1))
    untimed = event_of(0, "anna", "post-1", LIKE, NOW, id_text="one")
    stored = (timed.user_id, timed.post_id, "like")

    assert timed.is_same(*stored, NOW - timedelta(hours=1))
    assert timed.is_same(*stored, NOW - timedelta(hours=1, microseconds=1))
    assert not timed.is_same(*stored, NOW - timedelta(minutes=59))
    assert not timed.is_same(*stored, NOW - timedelta(days=2))
    assert untimed.is_same(*stored, NOW - timedelta(hours=2))


@pytest.mark.parametrize(
    ("told_at", "reason"),
    [
        (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), "must not be before 1970"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "must not be before 1970"),
        (NOW + timedelta(days=1, seconds=1), "must not be more than a day ahead of the service's clock"),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=14))), "more than a day ahead"),
    ],
)
def test_an_impossible_time_is_refused(told_at: datetime, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as raised:
        event_of(0, "anna", "post-1", LIKE, NOW, told_at=told_at)

    assert raised.value.pointer == "created_at"


def test_a_time_a_little_ahead_counts_as_now() -> None:
    event = event_of(0, "anna", "post-1", LIKE, NOW, told_at=NOW + timedelta(hours=1))

    assert (event.created_at, event.is_timed) == (NOW, False)


def test_an_event_that_was_ahead_is_the_same_once_its_time_has_come() -> None:
    told_at = NOW + timedelta(seconds=30)
    first = event_of(0, "anna", "post-1", LIKE, NOW, told_at=told_at)

    again = event_of(0, "anna", "post-1", LIKE, NOW + timedelta(minutes=1), told_at=told_at)

    assert (again.id, again.is_timed) == (first.id, True)
    assert again.is_same(first.user_id, first.post_id, first.type, first.created_at)


def test_a_time_without_a_zone_is_utc_and_one_with_a_zone_is_turned_into_it() -> None:
    naive = event_of(0, "anna", "p", LIKE, NOW, told_at=datetime(2026, 11, 24, 11))
    zoned = event_of(0, "anna", "p", LIKE, NOW, told_at=datetime(2026, 11, 24, 12, tzinfo=timezone(timedelta(hours=1))))

    assert naive.created_at == zoned.created_at == datetime(2026, 11, 24, 11, tzinfo=UTC)
    assert zoned.created_at.tzinfo is UTC


def test_texts_that_are_no_uuids_are_external_ids() -> None:
    post_id = str(uuid4())

    texts = external_ids([event_of(0, "anna", post_id, LIKE, NOW), event_of(1, "anna", "post-1", LIKE, NOW)])

    assert texts == {to_uuid("anna"): "anna", to_uuid("post-1"): "post-1"}
