"""A user's list as one would keep it first: a JSON document under the user's id."""

from collections.abc import Sequence

import msgspec

from core.domain.feed import Recommendation


def list_key(user_id: str) -> str:
    """Where it lies."""
    return f"plain-list:{user_id}"


def as_plain_list(recommendations: Sequence[Recommendation]) -> bytes:
    """The document."""
    items = [{"post_id": id_, "score": round(score, 6), "reason": why} for id_, score, why in recommendations]
    return msgspec.json.encode({"recommendations": items})
