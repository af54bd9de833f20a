"""Record what users did, as callers tell of it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from core.application.ports.interaction_log import InteractionLog, Recorded
from core.application.ports.seen_posts import SeenPosts
from core.domain.errors import CacheUnavailable
from core.domain.event import Event, EventsRefused, IdsTaken, Receipt, Refusal, distinct
from core.domain.user_change import UserChange


@dataclass(frozen=True, slots=True)
class RecordInteractions:
    """Durable first, then seen: from then on no answer holds the posts. Repeated, it changes nothing."""

    log: InteractionLog
    seen_posts: SeenPosts

    async def __call__(
        self, events: Sequence[Event], refused: Sequence[Refusal] = (), *, all_or_nothing: bool = False
    ) -> Receipt:
        """What became of the events, and of those that were refused before.

        Raises EventsRefused where none is recorded, and ArchiveUnavailable.
        """
        recordable, contradicting = distinct(events)
        refusals = [*refused, *contradicting]
        if not recordable or (refusals and all_or_nothing):
            raise _refused(refusals)
        recorded = await self.log.record(recordable, all_or_nothing=all_or_nothing)
        refusals = sorted((*refusals, *recorded.refusals), key=lambda refusal: refusal.place)
        if len(recorded.refusals) == len(recordable) or (refusals and all_or_nothing):
            raise _refused(refusals)
        not_recorded = {refusal.place for refusal in refusals}
        await self._remember([event for event in events if event.place not in not_recorded], recorded)
        repeated = len(events) + len(refused) - len(refusals) - recorded.added
        return Receipt(max(recorded.sequences.values()), recorded.added, repeated, refusals)

    async def _remember(self, events: Sequence[Event], recorded: Recorded) -> None:
        """Where that fails the reader does it a moment later."""
        posts: dict[UUID, list[UUID]] = {}
        for event in sorted(events, key=lambda event: event.created_at, reverse=True):
            posts.setdefault(event.user_id, []).append(event.post_id)
        changes = [UserChange(user_id, recorded.sequences[user_id], seen) for user_id, seen in posts.items()]
        with suppress(CacheUnavailable):
            await self.seen_posts.add(changes)


def _refused(refusals: Sequence[Refusal]) -> EventsRefused:
    is_only_taken = all(refusal.is_id_taken for refusal in refusals)
    return (IdsTaken if is_only_taken else EventsRefused)(refusals)
