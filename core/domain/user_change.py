"""What changed for a user: new interactions, under one number."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

SEEN_AT_MOST = 200
"""Posts of a user that are remembered as just seen, the newest of them."""


@dataclass(frozen=True, slots=True)
class UserChange:
    """New interactions of one user with these posts, newest first; a feed built from `sequence` on knows of them."""

    user_id: UUID
    sequence: int
    post_ids: Sequence[UUID]
