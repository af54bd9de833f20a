from core.domain.post_set import Posts
from tests.builders import post


def test_posts_hold_what_they_were_made_of() -> None:
    posts = Posts([post(3), post(9), post(3)])

    assert post(3) in posts
    assert post(4) not in posts
    assert posts.keys == {post(3).bytes, post(9).bytes}
    assert not Posts().keys
