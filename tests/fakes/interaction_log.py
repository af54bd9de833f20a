"""Events in a dict."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.application.ports.interaction_log import Recorded
from core.domain.errors import ArchiveUnavailable
from core.domain.event import Event, id_taken


@dataclass
class FakeInteractionLog:
    """`events` by their ids; each call draws the next sequence for all of its users."""

    events: dict[UUID, Event] = field(default_factory=dict)
    sequences: dict[UUID, int] = field(default_factory=dict)
    sequence: int = 0
    unavailable: bool = False

    async def record(self, events: Sequence[Event], *, all_or_nothing: bool = False) -> Recorded:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
        refusals = [id_taken(event.place) for event in events if self._is_contradicted(event)]
        if refusals and all_or_nothing:
            return Recorded({}, 0, refusals)
        self.sequence += 1
        new = {event.id: event for event in events if event.id not in self.events}
        self.events |= new
        marked = {event.user_id: self.sequence for event in events}
        self.sequences |= marked
        return Recorded(marked, len(new), refusals)

    def _is_contradicted(self, event: Event) -> bool:
        stored = self.events.get(event.id, event)
        return not event.is_same(stored.user_id, stored.post_id, stored.type.value, stored.created_at)
