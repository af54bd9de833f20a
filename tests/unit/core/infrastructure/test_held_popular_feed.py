"""The popular feed that a process keeps at hand."""

from core.domain.popular import PopularFeed
from core.infrastructure.held_popular_feed import HeldPopular
from tests.fakes.popular_posts import FakePopularPosts


async def test_it_is_the_stored_one_and_an_empty_one_where_none_can_be_read() -> None:
    stored = PopularFeed(generation=7)

    async with (
        HeldPopular(FakePopularPosts(feed=stored)) as held,
        HeldPopular(FakePopularPosts(unavailable=True)) as none,
    ):
        assert held.current() == stored
        assert none.current() == PopularFeed()
