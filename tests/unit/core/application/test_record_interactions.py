"""What users did is recorded once, and seen at once."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from core.application.record_interactions import RecordInteractions
from core.domain.errors import ArchiveUnavailable
from core.domain.event import Event, EventsRefused, IdsTaken, Refusal, event_of
from core.domain.ids import to_uuid
from core.domain.interaction import InteractionType
from tests.fakes.interaction_log import FakeInteractionLog
from tests.fakes.seen_posts import FakeSeenPosts

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ANNA = to_uuid("anna")
BAD = Refusal(9, "user_id", "is missing")


@dataclass
class Scene:
    log: FakeInteractionLog = field(default_factory=FakeInteractionLog)
    seen: FakeSeenPosts = field(default_factory=FakeSeenPosts)

    def __post_init__(self) -> None:
        self.record = RecordInteractions(self.log, self.seen)


def liked(place: int, post: str, id_text: str | None = None, seconds_ago: float = 0) -> Event:
    told_at = NOW - timedelta(seconds=seconds_ago)
    return event_of(place, "anna", post, InteractionType.LIKE, NOW, id_text=id_text, told_at=told_at)


async def test_events_are_recorded_and_their_posts_seen_the_newest_first() -> None:
    scene = Scene()

    receipt = await scene.record([liked(0, "older", seconds_ago=60), liked(1, "newer")])

    assert (receipt.sequence, receipt.accepted, receipt.repeated, receipt.refusals) == (1, 2, 0, [])
    assert scene.seen.held[ANNA].post_ids == (to_uuid("newer"), to_uuid("older"))
    assert scene.seen.held[ANNA].sequence == 1


async def test_told_again_they_are_repetitions() -> None:
    scene = Scene()
    await scene.record([liked(0, "post", "one")])

    receipt = await scene.record([liked(0, "post", "one"), liked(1, "post", "one")])

    assert (receipt.accepted, receipt.repeated) == (0, 2)
    assert receipt.sequence == scene.log.sequences[ANNA]
    assert len(scene.log.events) == 1


async def test_good_events_are_recorded_beside_bad_ones() -> None:
    scene = Scene()
    await scene.record([liked(0, "post", "taken")])

    receipt = await scene.record([liked(0, "new"), liked(1, "other", "taken"), liked(2, "new")], [BAD])

    assert (receipt.accepted, receipt.repeated) == (1, 1)
    assert [(refusal.place, refusal.field) for refusal in receipt.refusals] == [(1, "id"), (9, "user_id")]
    assert to_uuid("other") not in scene.seen.held[ANNA].post_ids


async def test_all_or_nothing_is_nothing_where_one_is_refused_before() -> None:
    scene = Scene()

    with pytest.raises(EventsRefused):
        await scene.record([liked(0, "post")], [BAD], all_or_nothing=True)

    assert (scene.log.events, scene.seen.held) == ({}, {})


async def test_all_or_nothing_is_nothing_where_an_id_is_taken() -> None:
    scene = Scene()
    await scene.record([liked(0, "post", "taken")])

    with pytest.raises(IdsTaken):
        await scene.record([liked(0, "new"), liked(1, "other", "taken")], all_or_nothing=True)

    assert len(scene.log.events) == 1


async def test_where_none_can_be_recorded_that_is_an_error() -> None:
    with pytest.raises(EventsRefused, match="event 9: is missing") as raised:
        await Scene().record([], [BAD])

    assert not isinstance(raised.value, IdsTaken)


async def test_a_cache_that_is_away_loses_no_event() -> None:
    scene = Scene()
    scene.seen.unavailable = True

    assert (await scene.record([liked(0, "post")])).accepted == 1


async def test_without_postgres_it_says_so() -> None:
    scene = Scene()
    scene.log.unavailable = True

    with pytest.raises(ArchiveUnavailable):
        await scene.record([liked(0, "post")])
