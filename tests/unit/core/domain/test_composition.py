"""How rankings and popular posts become feeds."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.domain.composition import ColdStartStrategy, Composition
from core.domain.feed import Reason
from core.domain.popular import PopularFeed
from core.domain.ranking import Ranking

POSTS = [UUID(int=number) for number in range(1, 40)]
SEEN_ENOUGH = frozenset(POSTS[30:35])
RULES = Composition(depth=6, min_score=0.1, cold_start_threshold=5)


def popular_posts(*numbers: int) -> PopularFeed:
    """Posts by number, each half as popular as the one before."""
    posts = tuple(POSTS[number] for number in numbers)
    return PopularFeed(posts, tuple(0.5**place for place in range(len(posts))), generation=1)


def test_scores_are_relative_to_the_best() -> None:
    ranking = Ranking(((POSTS[0], 8.0), (POSTS[1], 2.0)), "v1", 1)

    feed = RULES.compose(ranking, PopularFeed(), SEEN_ENOUGH)

    assert [(item.post_id, item.score) for item in feed] == [(POSTS[0], 1.0), (POSTS[1], 0.25)]


def test_weak_collaborative_posts_are_cut_and_popular_ones_fill_below_the_last() -> None:
    ranking = Ranking(((POSTS[0], 10.0), (POSTS[1], 5.0), (POSTS[2], 0.9)), "v1", 1)

    feed = RULES.compose(ranking, popular_posts(1, 3, 4), SEEN_ENOUGH)

    assert [item.post_id for item in feed] == [POSTS[0], POSTS[1], POSTS[3], POSTS[4]]
    assert [item.reason for item in feed] == [Reason.COLLABORATIVE_FILTERING] * 2 + [Reason.POPULAR] * 2
    assert feed[2].score < feed[1].score


def test_seen_posts_are_never_recommended_from_either_source() -> None:
    seen = frozenset(POSTS[:5])
    ranking = Ranking(tuple((post, 1.0) for post in POSTS[:8]), "v1", 1)

    feed = RULES.compose(ranking, popular_posts(0, 1, 20), seen)

    assert not seen & {item.post_id for item in feed}
    assert POSTS[20] in {item.post_id for item in feed}


def test_without_a_model_a_feed_is_popular_posts_with_a_best_score_of_one() -> None:
    feed = RULES.compose(Ranking(), popular_posts(0, 1, 2), frozenset([*POSTS[30:35], POSTS[0]]))

    assert [item.score for item in feed] == [1.0, 0.5]
    assert {item.reason for item in feed} == {Reason.POPULAR}


def test_the_less_is_known_the_more_popular_posts_lead() -> None:
    ranking = Ranking(((POSTS[0], 1.0),), "v1", 1)

    after_one_post = RULES.compose(ranking, popular_posts(1, 2), frozenset(POSTS[30:31]))
    after_four_posts = RULES.compose(ranking, popular_posts(1, 2), frozenset(POSTS[30:34]))

    assert [item.post_id for item in after_one_post] == [POSTS[1], POSTS[2], POSTS[0]]
    assert [item.post_id for item in after_four_posts] == [POSTS[0], POSTS[1], POSTS[2]]


def test_strategy_empty_offers_little_known_users_only_what_the_model_finds() -> None:
    rules = Composition(6, 0.1, 5, ColdStartStrategy.EMPTY)
    ranking = Ranking(((POSTS[0], 1.0),), "v1", 1)

    feed = rules.compose(ranking, popular_posts(1, 2), frozenset(POSTS[30:31]))

    assert [item.post_id for item in feed] == [POSTS[0]]


scores = st.lists(st.floats(min_value=1e-6, max_value=1e6), max_size=12)


@given(scores, st.sets(st.integers(0, 38)), st.lists(st.integers(0, 38), unique=True, max_size=12))
def test_every_feed_is_sorted_bounded_and_free_of_repeats(
    raw: list[float], seen_numbers: set[int], popular_numbers: list[int]
) -> None:
    ranking = Ranking(tuple(zip(POSTS, sorted(raw, reverse=True), strict=False)), "v1", 1)
    seen = frozenset(POSTS[number] for number in seen_numbers)

    feed = RULES.compose(ranking, popular_posts(*popular_numbers), seen)

    assert len(feed) <= RULES.depth
    assert [item.score for item in feed] == sorted((item.score for item in feed), reverse=True)
    assert all(0 <= item.score <= 1 for item in feed)
    assert len({item.post_id for item in feed}) == len(feed)
    assert not seen & {item.post_id for item in feed}
