import pytest

from core.application.get_post import GetPost
from core.domain.errors import NotFound
from core.domain.post_state import PostState
from tests.builders import post
from tests.fakes.post_states import FakePostStates


async def test_what_was_said_of_a_post_is_told() -> None:
    posts = FakePostStates()
    await posts.put(post(1), hidden=True, expires_at=None)

    assert await GetPost(posts)(post(1)) == PostState(post(1), hidden=True)


async def test_a_post_of_which_nothing_was_said_is_not_found() -> None:
    with pytest.raises(NotFound, match="neither hidden nor"):
        await GetPost(FakePostStates())(post(1))
