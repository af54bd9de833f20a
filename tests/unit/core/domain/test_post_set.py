from core.domain.post_set import Posts
from tests.builders import feed_of, post

RECOMMENDED = feed_of(posts=(1, 2, 3)).recommendations


def test_posts_know_whether_any_of_them_is_recommended() -> None:
    assert Posts([post(3), post(9)]).has_any_of(RECOMMENDED)
    assert not Posts([post(9)]).has_any_of(RECOMMENDED)
    assert not Posts().has_any_of(RECOMMENDED)
