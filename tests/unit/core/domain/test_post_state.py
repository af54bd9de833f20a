from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.domain.post_state import PostState

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("hidden", "expires_at", "is_hidden"),
    [
        (False, None, False),
        (True, None, True),
        (False, NOW + SECOND, False),
        (False, NOW, True),
        (False, NOW - SECOND, True),
        (True, NOW + SECOND, True),
    ],
)
def test_a_post_is_hidden_when_the_app_says_so_or_its_time_is_over(
    hidden: bool, expires_at: datetime | None, is_hidden: bool
) -> None:
    assert (PostState(UUID(int=1), hidden, expires_at).hidden_from <= NOW.timestamp()) is is_hidden
