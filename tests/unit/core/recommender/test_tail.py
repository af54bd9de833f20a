"""A model with a tail against the plain formula, and against a model that was trained on everything."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.item_knn import ItemKNN
from core.recommender.neighbours import Neighbours
from core.recommender.tail import Tail, TakesTail
from core.recommender.timed_interactions import TimedInteractions
from core.recommender.user_knn import UserKNN

TIMELESS = {"vote_half_life": 0.0, "post_half_life": 0.0}
FADING = {"vote_half_life": 12.0, "post_half_life": 48.0}
USERS, POSTS, LATER_USERS, LATER_POSTS, HOURS = 60, 40, 6, 5, 30.0


def interactions(seed: int, count: int, shape: tuple[int, int], hours: tuple[float, float]) -> TimedInteractions:
    """Of anybody with anything, some pairs more than once."""
    random = np.random.default_rng(seed)
    return TimedInteractions(
        random.integers(shape[0], size=count),
        random.integers(shape[1], size=count),
        random.choice([0.1, 0.3, 0.7, 1.0], size=count),
        np.sort(random.uniform(*hours, size=count)),
        *shape,
    )


def together(one: TimedInteractions, other: TimedInteractions) -> TimedInteractions:
    columns = (np.concatenate(pair) for pair in zip(one[:4], other[:4], strict=True))
    return TimedInteractions(*columns, max(one.user_count, other.user_count), max(one.post_count, other.post_count))


def trained(past: TimedInteractions, now: float, **parameters: Any) -> UserKNN:
    model = UserKNN(k=10, **parameters)
    return model.fit(past.matrices(now, model.half_lives_hours))


def dense_votes(model: UserKNN, shape: tuple[int, int]) -> NDArray[np.float64]:
    starts, columns, values = model.votes_
    return csr_array((values, columns, starts), shape=shape).toarray().astype(np.float64)


def scores_of(found: Neighbours, votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The definition: what the neighbours' votes add up to."""
    return np.array(
        [similarities[rows >= 0] @ votes[rows[rows >= 0]] for rows, similarities in zip(*found, strict=True)]
    )


def scores_in(model: UserKNN, queries: csr_array, own_rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(q, posts), from lists that hold everything."""
    ranked = model.recommend(queries, own_rows, csr_array(queries.shape, dtype=np.float32), queries.shape[1])
    scores = np.zeros(queries.shape)
    for query, (rows, values) in enumerate(zip(*ranked, strict=True)):
        scores[query, rows[rows >= 0]] = values[rows >= 0]
    return scores


PAST = interactions(1, 700, (USERS, POSTS), (-HOURS, 0))
LATER = interactions(2, 120, (USERS, POSTS + LATER_POSTS), (0, HOURS))
EVERYTHING = together(PAST, LATER)


def wide(matrix: csr_array, posts: int) -> csr_array:
    return csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], posts))


@pytest.mark.parametrize("bound", [0, 10_000])
def test_scores_are_the_learned_neighbours_votes_by_everything_that_has_happened(bound: int) -> None:
    model = trained(PAST, 0, additions=bound, **TIMELESS)
    queries, own_rows = EVERYTHING.matrix(HOURS, 0), np.arange(USERS)

    tailed = model.with_tail(Tail(LATER, HOURS))
    scores = scores_in(tailed, queries, own_rows)

    votes = EVERYTHING.matrix(HOURS, 0).toarray().astype(np.float64)
    np.testing.assert_allclose(scores, scores_of(tailed.kneighbors(queries, own_rows), votes), rtol=1e-5, atol=1e-6)
    learned = model.kneighbors(wide(queries[:, :POSTS], POSTS), own_rows)
    assert (tailed.kneighbors(queries, own_rows).rows == learned.rows).all()
    assert (scores[:, POSTS:] > 0).any()


def test_pairs_in_the_tail_count_as_if_trained_and_other_votes_are_within_the_bounds_that_are_promised() -> None:
    model, anew = trained(PAST, 0, **FADING), trained(EVERYTHING, HOURS, **FADING)
    tailed, shape = model.with_tail(Tail(LATER, HOURS)), (USERS, POSTS + LATER_POSTS)

    due = dense_votes(anew, shape)
    votes = np.array([tailed._votes_for(post, np.arange(USERS)) for post in range(shape[1])]).T

    in_tail = LATER.matrix(HOURS, 0).toarray() > 0
    np.testing.assert_allclose(votes[in_tail], due[in_tail], rtol=1e-4)
    sums = np.expm1(dense_votes(trained(PAST, 0, vote_half_life=12.0, post_half_life=0.0), shape) * np.log(2))
    least = np.log1p(sums) / np.where(sums > 0, sums, 1)
    others = ~in_tail & (due > 1e-9)
    assert (votes[others] <= due[others] * (1 + 1e-4)).all()
    assert (votes[others] >= (due * least)[others] * (1 - 1e-4)).all()


def test_who_came_after_training_gets_and_is_a_neighbour_as_if_trained() -> None:
    shape = USERS + LATER_USERS, POSTS + LATER_POSTS
    theirs = interactions(3, 90, (LATER_USERS, shape[1]), (0, HOURS))
    theirs = theirs._replace(users=theirs.users + USERS, user_count=shape[0])
    everything = together(PAST, theirs)
    anew, tailed = trained(everything, HOURS, **TIMELESS), trained(PAST, 0, **TIMELESS).with_tail(Tail(theirs, HOURS))
    queries, own_rows = everything.matrix(HOURS, 0), np.arange(shape[0])

    one, other = (model.kneighbors(queries, own_rows) for model in (tailed, anew))

    assert (one.rows == other.rows).all()
    assert (one.rows >= USERS).any()
    np.testing.assert_allclose(one.similarities, other.similarities, rtol=1e-5)
    np.testing.assert_allclose(
        scores_in(tailed, queries, own_rows), scores_in(anew, queries, own_rows), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("parameters", [TIMELESS, {**TIMELESS, "damping": 1, "shrinkage": 0.5}])
def test_a_history_of_later_posts_alone_finds_learned_users_by_what_they_have_done_since(
    parameters: dict[str, float],
) -> None:
    shape = USERS + LATER_USERS, POSTS + LATER_POSTS
    later = interactions(5, 400, shape, (0, HOURS))
    everything = together(PAST, later)
    tailed = trained(PAST, 0, **parameters).with_tail(Tail(later, HOURS))
    queries = csr_array(np.diag(np.ones(shape[1], dtype=np.float32))[POSTS:])
    strangers, askers = np.full(LATER_POSTS, -1), np.arange(LATER_POSTS)

    found, of_askers = tailed.kneighbors(queries, strangers), tailed.kneighbors(queries, askers)
    scores = scores_in(tailed, queries, strangers)

    damping = tailed._damping if parameters.get("damping") else np.ones(shape[1])
    tastes = later.matrix(HOURS, 0).toarray() * damping
    rows = tastes / (np.linalg.norm(tastes, axis=1) + parameters.get("shrinkage", 0))[:, None]
    asked = queries.toarray() * damping
    similar = (asked / (np.linalg.norm(asked, axis=1) + parameters.get("shrinkage", 0))[:, None]) @ rows.T
    np.testing.assert_allclose(found.similarities, -np.sort(-similar, axis=1)[:, :10], rtol=1e-5)
    of_found = np.where(found.rows >= 0, np.take_along_axis(similar, found.rows, 1), 0)
    np.testing.assert_allclose(of_found, found.similarities, rtol=1e-5)
    assert (found.rows < USERS).any()
    assert (found.rows >= USERS).any()
    assert not (of_askers.rows == askers[:, None]).any()
    votes = everything.matrix(HOURS, 0).toarray().astype(np.float64)
    np.testing.assert_allclose(scores, scores_of(found, votes), rtol=1e-5, atol=1e-6)


def test_a_user_whom_the_model_does_not_ask_any_more_speaks_in_the_tail_under_a_row_of_their_own() -> None:
    long_ago = TimedInteractions(np.array([0, 0]), np.array([0, 1]), np.ones(2), np.full(2, -500.0), 2, 3)
    recent = TimedInteractions(np.array([1]), np.array([2]), np.ones(1), np.array([-1.0]), 2, 3)
    model = trained(together(long_ago, recent), 0, **FADING)
    back = TimedInteractions(np.array([2, 2, 2]), np.array([0, 1, 3]), np.ones(3), np.array([-500, -500, 1.0]), 3, 4)
    asking = csr_array(np.array([[1, 1, 0, 0]], dtype=np.float32))

    tailed = model.with_tail(Tail(back, 1.0))

    assert model.asked_rows().tolist() == [False, True]
    assert tailed.recommend(asking, np.array([-1]), asking, 2).rows.tolist() == [[3, -1]]
    assert tailed.recommend(asking, np.array([2]), asking, 2).rows.tolist() == [[-1, -1]]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**16), count=st.integers(0, 60), limit=st.integers(1, 50), damping=st.integers(0, 1))
def test_lists_are_sorted_positive_and_hold_nothing_seen_or_blocked(
    seed: int, count: int, limit: int, damping: int
) -> None:
    shape = USERS + LATER_USERS, POSTS + LATER_POSTS
    later = interactions(seed, count, shape, (0, HOURS))
    queries = together(PAST, later).matrix(HOURS, 0)
    blocked = np.random.default_rng(seed).random(shape[1]) < 0.3
    model = trained(PAST, 0, damping=damping, **FADING).with_tail(Tail(later, HOURS))

    ranked = model.recommend(queries, np.arange(shape[0]), queries, limit, 1, blocked)
    alone = model.recommend(queries[[7]], np.array([7]), queries[[7]], limit, 1, blocked)

    assert (np.diff(ranked.scores, axis=1) <= 0).all()
    assert ((ranked.scores > 0) == (ranked.rows >= 0)).all()
    assert not blocked[ranked.rows[ranked.rows >= 0]].any()
    for user in range(shape[0]):
        assert not set(ranked.rows[user].tolist()) & set(queries[[user]].indices.tolist())
    assert (alone.rows[0] == ranked.rows[7]).all()
    assert (alone.scores[0] == ranked.scores[7]).all()


def test_the_contributions_to_a_post_are_all_that_its_score_is_made_of() -> None:
    shape = USERS + LATER_USERS, POSTS + LATER_POSTS
    later = interactions(4, 150, shape, (0, HOURS))
    queries = together(PAST, later).matrix(HOURS, 0)
    model = trained(PAST, 0, **FADING).with_tail(Tail(later, HOURS))

    for user in (0, USERS, shape[0] - 1):
        scores = scores_in(model, queries[[user]], np.array([user]))[0]
        for post in range(shape[1]):
            parts = model.contributions(queries[[user]], user, post).parts
            assert parts.sum() == pytest.approx(scores[post], rel=1e-4, abs=1e-9)


def test_the_model_that_was_given_a_tail_stays_as_it_is_and_an_empty_one_changes_nothing() -> None:
    model, queries = trained(PAST, 0, **FADING), PAST.matrix(0, 0)
    before = model.recommend(queries, np.arange(USERS), queries, 20)

    model.with_tail(Tail(LATER, HOURS))
    nothing = Tail(PAST.where(np.empty(0, dtype=np.int64)), 0.0)

    for one in (model, model.with_tail(nothing)):
        after = one.recommend(queries, np.arange(USERS), queries, 20)
        assert (after.rows == before.rows).all()
        assert (after.scores == before.scores).all()


def test_the_history_of_a_newcomer_can_be_told() -> None:
    shape = USERS + 1, POSTS + 1
    theirs = TimedInteractions(np.array([USERS] * 2), np.array([3, POSTS]), np.ones(2), np.array([1.0, 2.0]), *shape)

    history = trained(PAST, 0, **FADING).with_tail(Tail(theirs, 2.0)).learned_history(USERS)

    assert history.shape == (1, POSTS + 1)
    assert history.indices.tolist() == [3, POSTS]


def test_what_cannot_take_a_tail_says_so() -> None:
    reverse = trained(PAST, 0, neighbourhood="reverse")
    arrays = {name: array for name, array in trained(PAST, 0, **FADING).to_arrays().items() if name != "fading"}
    early = UserKNN(k=10, **FADING).with_arrays(arrays, USERS, POSTS)
    narrow = PAST._replace(post_count=POSTS - 1)

    assert not reverse.can_take_tail()
    assert not early.can_take_tail()
    assert not isinstance(ItemKNN(), TakesTail)
    for model, past in ((reverse, LATER), (early, LATER), (trained(PAST, 0), narrow)):
        with pytest.raises(ValueError, match="does not fit 60 and 40"):
            model.with_tail(Tail(past, 1.0))
