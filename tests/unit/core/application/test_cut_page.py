from core.application.cut_page import CutPage
from core.domain.feed import FeedSource
from core.domain.job import FeedRequest
from tests.builders import USER, feed_of, post
from tests.fakes.hidden_posts import FakeHiddenPosts


def test_what_is_hidden_at_the_moment_is_left_out_of_the_page() -> None:
    hidden = FakeHiddenPosts()
    cut_page = CutPage(hidden)
    before = cut_page(feed_of(posts=(1, 2, 3)), FeedRequest(USER, 2), FeedSource.CACHE)

    hidden.posts = {post(2)}
    after = cut_page(feed_of(posts=(1, 2, 3)), FeedRequest(USER, 2), FeedSource.CACHE)

    assert [item.post_id for item in before.recommendations] == [post(1), post(2)]
    assert [item.post_id for item in after.recommendations] == [post(1), post(3)]
