import pytest

from core.domain.errors import ArchiveUnavailable
from core.domain.post_state import PostState
from tests.builders import NOON, Stage, post


async def test_what_is_said_is_kept_known_here_and_told_to_the_others() -> None:
    stage = Stage()
    stage.hidden_posts.table = {post(1)}

    state = await stage.hide_post(post(1), hidden=True, expires_at=None)

    assert state == stage.posts.states[post(1)] == PostState(post(1), hidden=True)
    assert post(1) in stage.hidden_posts.current()
    assert stage.post_signals.count == 1


async def test_what_is_said_later_replaces_all_of_it() -> None:
    stage = Stage()
    await stage.hide_post(post(1), hidden=True, expires_at=NOON)

    state = await stage.hide_post(post(1), hidden=False, expires_at=None)

    assert state == stage.posts.states[post(1)] == PostState(post(1))


async def test_what_could_not_be_kept_is_told_to_nobody() -> None:
    stage = Stage()
    stage.stop_postgres()

    with pytest.raises(ArchiveUnavailable):
        await stage.hide_post(post(1), hidden=True, expires_at=None)

    assert stage.post_signals.count == 0
