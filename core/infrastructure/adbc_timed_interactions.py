"""All interactions of one moment with their times, for looking back: evaluation and tuning."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from core.domain.interaction import InteractionWeights
from core.infrastructure.adbc_interaction_table import interaction_snapshot
from core.infrastructure.interaction_digest import user_hashes
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


@dataclass(frozen=True, slots=True)
class IdentifiedInteractions:
    """n interactions, ascending by time, that are not weighed yet, and whose they are.

    users, posts: (n,), int64, places in user_keys and post_keys, which are S16 and ascending; type_codes: (n,), uint8,
    places in InteractionType; times: (n,), float64, hours since `epoch`; share: of all users, those that were read.
    """

    users: NDArray[np.int64]
    posts: NDArray[np.int64]
    type_codes: NDArray[np.uint8]
    times: NDArray[np.float64]
    user_keys: NDArray[np.bytes_]
    post_keys: NDArray[np.bytes_]
    epoch: datetime
    share: float = 1.0

    def weighed(self, weights: InteractionWeights) -> DatedInteractions:
        """The same with what each counts."""
        return DatedInteractions(
            TimedInteractions(
                self.users,
                self.posts,
                type_weights(weights)[self.type_codes],
                self.times,
                len(self.user_keys),
                len(self.post_keys),
            ),
            self.epoch,
        )


def read_timed_interactions(database_url: str, weights: InteractionWeights) -> DatedInteractions:
    """Read the table of interactions, but for those of the future. Raises ArchiveUnavailable."""
    return read_identified_interactions(database_url).weighed(weights)


def read_identified_interactions(database_url: str, at_most: int | None = None) -> IdentifiedInteractions:
    """Read the table, but for what is of the future; of more interactions than `at_most` about so many, of some users.

    Ties in time are in the order of users and posts, so that the same table gives the same arrays. Takes about 60 bytes
    an interaction. Raises ArchiveUnavailable.
    """
    users, posts = IdDictionary(), IdDictionary()
    codes, none = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.uint8)
    parts = [(codes, codes, none, np.empty(0))]
    with interaction_snapshot(database_url) as snapshot:
        share = 1.0 if at_most is None else min(1.0, at_most / max(1, snapshot.count()))
        for columns in snapshot.batches():
            past = columns.of((columns.times <= snapshot.now) & _sampled(columns.user_keys, share))
            parts.append(
                (users.encode(past.user_keys), posts.encode(past.post_keys), past.type_codes.copy(), past.times.copy())
            )
    user_codes, post_codes, types, times = (np.concatenate(column) for column in zip(*parts, strict=True))
    (user_keys, user_ranks), (post_keys, post_ranks) = users.sorted(), posts.sorted()
    user_rows, post_rows = user_ranks[user_codes].astype(np.int64), post_ranks[post_codes].astype(np.int64)
    order = np.lexsort((types, post_rows, user_rows, times))
    started = float(times.min(initial=snapshot.now))
    return IdentifiedInteractions(
        user_rows[order],
        post_rows[order],
        types[order],
        (times[order] - started) / SECONDS_PER_HOUR,
        user_keys,
        post_keys,
        datetime.fromtimestamp(started, UTC),
        share,
    )


def _sampled(user_keys: NDArray[np.bytes_], share: float) -> NDArray[np.bool_]:
    """The same users whenever it is asked; of a smaller share, some of them."""
    if share >= 1:
        return np.ones(len(user_keys), dtype=np.bool_)
    return user_hashes(user_keys) < np.uint64(share * 2.0**64)
