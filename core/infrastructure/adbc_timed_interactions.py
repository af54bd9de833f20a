"""All interactions of one moment with their times, for looking back: evaluation and tuning."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from core.domain.interaction import InteractionWeights
from core.infrastructure.adbc_interaction_table import interaction_snapshot
from core.infrastructure.ranking_model import SECONDS_PER_HOUR, type_weights
from core.recommender.id_dictionary import IdDictionary
from core.recommender.timed_interactions import TimedInteractions


@dataclass(frozen=True, slots=True)
class DatedInteractions:
    """Interactions whose times are hours since `epoch`; they end at the snapshot's data-now, ascending by time."""

    interactions: TimedInteractions
    epoch: datetime

    def hours_at(self, moment: datetime) -> float:
        """A moment in the unit of the interactions' times."""
        return (moment - self.epoch) / timedelta(hours=1)

    def moment_at(self, hours: float) -> datetime:
        """The moment that a time means."""
        return self.epoch + timedelta(hours=hours)


def read_timed_interactions(database_url: str, weights: InteractionWeights) -> DatedInteractions:
    """Read the table of interactions, but for those of the future. Raises ArchiveUnavailable.

    Users and posts are numbered in the order of their ids; ties in time are in the order of users and posts, so that
    the same table gives the same arrays. Takes about 60 bytes an interaction.
    """
    users, posts = IdDictionary(), IdDictionary()
    codes, none = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.uint8)
    parts = [(codes, codes, none, np.empty(0))]
    with interaction_snapshot(database_url) as snapshot:
        for columns in snapshot.batches():
            past = columns.of(columns.times <= snapshot.now)
            parts.append(
                (users.encode(past.user_keys), posts.encode(past.post_keys), past.type_codes.copy(), past.times.copy())
            )
    user_codes, post_codes, types, times = (np.concatenate(column) for column in zip(*parts, strict=True))
    (_, user_ranks), (_, post_ranks) = users.sorted(), posts.sorted()
    user_rows, post_rows = user_ranks[user_codes].astype(np.int64), post_ranks[post_codes].astype(np.int64)
    order = np.lexsort((types, post_rows, user_rows, times))
    started = float(times.min(initial=snapshot.now))
    interactions = TimedInteractions(
        user_rows[order],
        post_rows[order],
        type_weights(weights)[types[order]],
        (times[order] - started) / SECONDS_PER_HOUR,
        len(user_ranks),
        len(post_ranks),
    )
    return DatedInteractions(interactions, datetime.fromtimestamp(started, UTC))
