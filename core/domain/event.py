"""Interactions as callers tell of them: one by one, or many at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from uuid import UUID

from core.domain.errors import InvalidInput
from core.domain.ids import is_canonical, to_uuid
from core.domain.interaction import InteractionType

EVENTS_AT_MOST = 1000
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
CLOCKS_MAY_DIFFER = timedelta(days=1)
"""A time that is further ahead of ours is none; one that is less ahead counts as now."""

SAME_MOMENT = timedelta(seconds=1)
"""A column of the app's may keep times less exactly than they were told."""

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Event:
    """place: where in the request it stands; created_at: aware; is_timed: told, and not only taken to be now.

    metadata: a JSON object as text, None where there is none.
    """

    place: int
    id: UUID
    user_text: str
    post_text: str
    user_id: UUID
    post_id: UUID
    type: InteractionType
    created_at: datetime
    is_timed: bool = True
    metadata: str | None = None

    def is_same(self, user_id: UUID, post_id: UUID, kind: str, created_at: datetime) -> bool:
        """Whether what is stored under this id is what is told here; the time counts where it was told.

        One that was ahead when it was told first was stored as the moment of then, before the one told again.
        """
        told_after = self.created_at - created_at
        is_moment_same = not self.is_timed or -SAME_MOMENT < told_after <= CLOCKS_MAY_DIFFER
        return (user_id, post_id, kind) == (self.user_id, self.post_id, self.type.value) and is_moment_same


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event is not recorded; `field` is what is wrong about it, empty where that is all of it."""

    place: int
    field: str
    reason: str
    is_id_taken: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request's events; `sequence`: a feed built from there on knows of all of them.

    accepted: new; repeated: recorded before.
    """

    sequence: int
    accepted: int
    repeated: int
    refusals: Sequence[Refusal] = ()


class EventsRefused(InvalidInput):
    """None of the events is recorded."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("; ".join(f"event {refusal.place}: {refusal.reason}" for refusal in refusals[:3]))
        self.refusals = refusals


class IdsTaken(EventsRefused):
    """None of them is, as there are other interactions under their ids: nothing else is wrong."""


def event_of(
    place: int,
    user_text: str,
    post_text: str,
    kind: InteractionType,
    now: datetime,
    *,
    id_text: str | None = None,
    told_at: datetime | None = None,
    metadata: str | None = None,
) -> Event:
    """An event from what was told; without an id its content is its id. Raises InvalidInput for an impossible time."""
    user_id, post_id, moment = to_uuid(user_text), to_uuid(post_text), _moment(told_at, now)
    is_timed = told_at is not None and moment <= now
    return Event(
        place=place,
        id=content_id(user_id, post_id, kind, moment) if id_text is None else to_uuid(id_text),
        user_text=user_text,
        post_text=post_text,
        user_id=user_id,
        post_id=post_id,
        type=kind,
        created_at=min(moment, now),
        is_timed=is_timed,
        metadata=metadata,
    )


def content_id(user_id: UUID, post_id: UUID, kind: InteractionType, moment: datetime) -> UUID:
    """The id that an import gives to the same interaction: version 8, of its milliseconds and a hash of all of it."""
    microseconds = (moment - EARLIEST) // _MICROSECOND
    content = user_id.bytes + post_id.bytes + kind.value.encode().ljust(8, b"\0") + microseconds.to_bytes(8)
    hashed = bytearray(blake2b(content, digest_size=16).digest())
    hashed[:6] = (microseconds // 1000).to_bytes(8)[2:]
    hashed[6] = hashed[6] & 0x0F | 0x80
    hashed[8] = hashed[8] & 0x3F | 0x80
    return UUID(bytes=bytes(hashed))


def distinct(events: Iterable[Event]) -> tuple[list[Event], list[Refusal]]:
    """The first event of each id, and refusals of those that say something else under an id that was there before."""
    first: dict[UUID, Event] = {}
    refusals = []
    for event in events:
        before = first.setdefault(event.id, event)
        if not before.is_same(event.user_id, event.post_id, event.type.value, event.created_at):
            refusals.append(id_taken(event.place))
    return list(first.values()), refusals


def id_taken(place: int) -> Refusal:
    """Something else is recorded under the event's id."""
    return Refusal(place, "id", "is the id of another interaction already", is_id_taken=True)


def external_ids(events: Iterable[Event]) -> dict[UUID, str]:
    """The texts of users and posts that are no UUIDs."""
    return {
        id_: text
        for event in events
        for id_, text in ((event.user_id, event.user_text), (event.post_id, event.post_text))
        if not is_canonical(text)
    }


def _moment(told_at: datetime | None, now: datetime) -> datetime:
    if told_at is None:
        return now
    aware = told_at if told_at.tzinfo else told_at.replace(tzinfo=UTC)
    if aware < EARLIEST:
        raise InvalidInput("must not be before 1970", "created_at")
    if aware > now + CLOCKS_MAY_DIFFER:
        raise InvalidInput("must not be more than a day ahead of the service's clock", "created_at")
    return aware.astimezone(UTC)
