from datetime import UTC, datetime
from uuid import UUID

from core.domain.history import History

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EMPTY = History(UUID(int=1), (), generation=7, data_now=NOW)


def test_a_session_has_liked_its_posts_lately_the_first_of_them_last() -> None:
    posts = [UUID(int=number) for number in (13, 12, 11)]

    history = EMPTY.of_session(posts)

    assert [act.post_id for act in history.interactions] == posts[::-1]
    assert history.built_up_to == NOW
    assert history.interactions[0].created_at < history.interactions[1].created_at
    assert (history.user_id, history.generation) == (EMPTY.user_id, 7)
