"""Tell whether a feed knows of what its caller has just written."""

from dataclasses import dataclass

from core.application.find_feed import FoundFeed
from core.application.ports.user_sequences import UserSequences
from core.domain.errors import SequenceUnknown
from core.domain.feed import FeedSource
from core.domain.job import FeedRequest


@dataclass(frozen=True, slots=True)
class ReachSequence:
    """Asks Postgres only where the feed itself does not tell."""

    sequences: UserSequences

    async def __call__(self, found: FoundFeed | None, request: FeedRequest) -> FoundFeed | None:
        """The same, but stale for this caller where the feed does not know of all the user did up to the number.

        Raises SequenceUnknown for one that was never given, and ArchiveUnavailable.
        """
        if request.min_seq == 0 or (found is not None and request.min_seq <= found.feed.built_sequence):
            return found
        latest = await self.sequences.latest(request.user_id)
        if request.min_seq > latest.of_all:
            reason = f"no interactions have the sequence {request.min_seq} yet: the last one is {latest.of_all}"
            raise SequenceUnknown(reason, "/min_seq")
        if found is None or latest.of_user <= found.feed.built_sequence:
            return found
        return found._replace(source=FeedSource.STALE, is_behind=True)
