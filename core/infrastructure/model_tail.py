"""What has happened since a model learned, in the model's own rows and further ones."""

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.infrastructure.interaction_arrays import InteractionArrays
from core.infrastructure.key_rows import NO_KEYS, bytes_of
from core.infrastructure.postgres_moments import microseconds, moment_of
from core.infrastructure.ranking_model import RankingModel, type_weights
from core.recommender.tail import Tail, TakesTail
from core.recommender.timed_interactions import TimedInteractions

MICROSECONDS_PER_HOUR = 3_600_000_000
KEPT_OF_TOO_MANY = 0.9
"""Of what may be held, once it is more: a little less, so that not every interaction drops another one."""


class _Rows(NamedTuple):
    """n interactions. users, posts: (n,), int32; type_codes: (n,), uint8; moments: (n,), int64, since 2000."""

    users: NDArray[np.int32]
    posts: NDArray[np.int32]
    type_codes: NDArray[np.uint8]
    moments: NDArray[np.int64]

    def of(self, places: NDArray[np.int64]) -> "_Rows":
        return _Rows(self.users[places], self.posts[places], self.type_codes[places], self.moments[places])


_NO_ROWS: NDArray[np.int32] = np.empty(0, dtype=np.int32)
_NONE = _Rows(_NO_ROWS, _NO_ROWS, np.empty(0, dtype=np.uint8), np.empty(0, dtype=np.int64))


class ModelTail:
    """Append-only but for the oldest, which are dropped where there are more than may be held.

    Users whom the model does not know, or does not ask for votes any more, get rows of their own. dropped: how many
    interactions were.
    """

    def __init__(self, model: RankingModel, learned_at: datetime, at_most: int) -> None:
        """learned_at: the moment from which ages were counted in training."""
        if not can_have_tail(model):
            raise ValueError("the model's algorithm takes no tail")
        self._model = model
        self._learned_at = microseconds(learned_at)
        self._at_most = at_most
        self._asked = model.algorithm.asked_rows()  # type: ignore[attr-defined]  # see can_have_tail
        self._rows = _NONE
        self._added: list[_Rows] = []
        self._users, self._posts = _LaterKeys(len(model.user_keys)), _LaterKeys(len(model.post_keys))
        self.dropped = 0

    @property
    def held(self) -> int:
        """How many interactions count."""
        return len(self._rows.users) + sum(len(part.users) for part in self._added)

    @property
    def newest(self) -> datetime | None:
        """The moment of the newest one, None where there is none."""
        moments = [int(part.moments.max()) for part in (self._rows, *self._added) if len(part.moments)]
        return moment_of(max(moments)) if moments else None

    def unheard(self, user_keys: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
        """Those of the users, each once, who need all they ever did to be neighbours, and have not been added yet."""
        keys = np.unique(user_keys)
        return keys[self._is_outsider(keys) & ~self._users.has(keys)]

    def add(self, acts: InteractionArrays, histories: InteractionArrays) -> None:
        """What has happened since, and all that some of the unheard have done, that included."""
        read = np.unique(histories.user_keys)
        fresh = acts.of(~np.isin(acts.user_keys, read))
        for part in (fresh, histories):
            if len(part.moments):
                self._added.append(self._numbered(part))

    def tailed(self, now: datetime) -> RankingModel:
        """The model with all that was added; votes are as old as they are now, or at the newest interaction."""
        self._gather()
        if not len(self._rows.users):
            return self._model
        newest = min(microseconds(now), int(self._rows.moments.max()))
        ages = (self._rows.moments - self._learned_at) / MICROSECONDS_PER_HOUR
        interactions = TimedInteractions(
            self._rows.users.astype(np.int64),
            self._rows.posts.astype(np.int64),
            type_weights(self._model.weights)[self._rows.type_codes],
            ages,
            len(self._users),
            len(self._posts),
        )
        tail = Tail(interactions, max(0.0, (newest - self._learned_at) / MICROSECONDS_PER_HOUR))
        algorithm = self._model.algorithm.with_tail(tail)  # type: ignore[attr-defined]  # see can_have_tail
        return self._model.with_tail(algorithm, self._users.keys(), self._posts.keys())

    def _is_outsider(self, keys: NDArray[np.bytes_]) -> NDArray[np.bool_]:
        rows = self._model.users.rows(keys)
        is_asked: NDArray[np.bool_] = np.append(self._asked, False)[rows]
        return ~is_asked

    def _numbered(self, acts: InteractionArrays) -> _Rows:
        users = self._model.users.rows(acts.user_keys)
        is_outsider = self._is_outsider(acts.user_keys)
        users[is_outsider] = self._users.rows(acts.user_keys[is_outsider])
        posts = self._model.posts.rows(acts.post_keys)
        posts[posts < 0] = self._posts.rows(acts.post_keys[posts < 0])
        return _Rows(
            users.astype(np.int32), posts.astype(np.int32), acts.type_codes.astype(np.uint8), acts.moments.copy()
        )

    def _gather(self) -> None:
        parts = [self._rows, *self._added]
        users, posts, type_codes, moments = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        self._rows, self._added = _Rows(users, posts, type_codes, moments), []
        excess = len(self._rows.users) - self._at_most
        if excess > 0:
            self._drop(excess + int(self._at_most * (1 - KEPT_OF_TOO_MANY)))

    def _drop(self, count: int) -> None:
        """The oldest so many, and the rows of whom and of what nothing is left."""
        self._rows = self._rows.of(np.sort(np.argsort(self._rows.moments, kind="stable")[count:]))
        self._rows = self._rows._replace(
            users=self._users.keep(self._rows.users), posts=self._posts.keep(self._rows.posts)
        )
        self.dropped += count


class _LaterKeys:
    """Rows after the model's, in the order in which their keys come."""

    def __init__(self, first_row: int) -> None:
        self._first_row = first_row
        self._rows: dict[bytes, int] = {}

    def __len__(self) -> int:
        return self._first_row + len(self._rows)

    def has(self, keys: NDArray[np.bytes_]) -> NDArray[np.bool_]:
        return np.array([key in self._rows for key in bytes_of(keys)], dtype=np.bool_)

    def rows(self, keys: NDArray[np.bytes_]) -> NDArray[np.int64]:
        """(n,): those that have none get the next one."""
        distinct, places = np.unique(keys, return_inverse=True)
        rows = [self._rows.setdefault(key, len(self)) for key in bytes_of(distinct)]
        return np.array(rows, dtype=np.int64)[places]

    def keys(self) -> NDArray[np.bytes_]:
        """All keys in the order of their rows."""
        return np.frombuffer(b"".join(self._rows), dtype="S16") if self._rows else NO_KEYS

    def keep(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """(n,): the rows under which these are known once all others are forgotten."""
        used = np.unique(rows[rows >= self._first_row])
        keys = list(self._rows)
        self._rows = {keys[row - self._first_row]: self._first_row + place for place, row in enumerate(used)}
        renumbered: NDArray[Any] = np.where(rows < self._first_row, rows, self._first_row + np.searchsorted(used, rows))
        return renumbered.astype(np.int32)


def can_have_tail(model: RankingModel) -> bool:
    """Whether its algorithm can count what happened after it learned."""
    return isinstance(model.algorithm, TakesTail) and model.algorithm.can_take_tail()
