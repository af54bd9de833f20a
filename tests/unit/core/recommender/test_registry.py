"""Laws that every algorithm of the registry keeps."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array

from core.recommender.algorithm import Algorithm, InteractionMatrices
from core.recommender.parameters import parameters_of
from core.recommender.registry import ALGORITHMS, algorithm_named

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ALGORITHMS),
    ("user_knn", {"neighbourhood": "reverse", "k": 4, "shrinkage": 0.5, "damping": 1}),
    ("user_knn", {"additions": 40, "k": 5, "vote_half_life": 0, "post_half_life": 0}),
]
every_variant = pytest.mark.parametrize(("name", "parameters"), VARIANTS)


def taste(users: int, posts: int, seed: int) -> csr_array:
    return csr_array(random_array((users, posts), density=0.2, rng=seed, dtype=np.float32))


def matrices(users: int, posts: int, seed: int) -> InteractionMatrices:
    """Under whatever half-life the same matrix, and posts of different ages."""
    timeless = InteractionMatrices.timeless(taste(users, posts, seed))
    return InteractionMatrices(timeless.by_half_life, np.random.default_rng(seed).exponential(50, posts))


def learned(name: str, parameters: dict[str, Any], users: int, posts: int, seed: int) -> Algorithm:
    return algorithm_named(name, parameters).fit(matrices(users, posts, seed))


@every_variant
@settings(deadline=None, max_examples=25)
@given(users=st.integers(1, 25), posts=st.integers(1, 30), seed=st.integers(0, 2**16), limit=st.integers(1, 35))
def test_lists_are_sorted_finite_positive_within_the_limit_and_hold_nothing_seen(  # noqa: PLR0917 - given by name
    name: str, parameters: dict[str, Any], users: int, posts: int, seed: int, limit: int
) -> None:
    matrix = taste(users, posts, seed)

    ranked = learned(name, parameters, users, posts, seed).recommend(matrix, np.arange(users), matrix, limit)

    assert ranked.rows.shape == ranked.scores.shape == (users, min(limit, posts))
    for user in range(users):
        there = ranked.rows[user] >= 0
        rows, scores = ranked.rows[user][there], ranked.scores[user][there]
        assert not there[len(rows) :].any()
        assert np.isfinite(scores).all()
        assert (scores > 0).all()
        assert all(
            one > other or (one == other and row < following)
            for one, other, row, following in zip(scores, scores[1:], rows, rows[1:], strict=False)
        )
        assert not set(rows.tolist()) & set(matrix[[user]].indices.tolist())


@every_variant
def test_asking_alone_among_others_or_in_threads_gives_the_same_bits(name: str, parameters: dict[str, Any]) -> None:
    matrix = taste(700, 60, seed=5)
    model = learned(name, parameters, 700, 60, seed=5)

    one, other = (model.recommend(matrix, np.arange(700), matrix, 20, threads) for threads in (1, 3))

    assert (one.rows == other.rows).all()
    assert (one.scores == other.scores).all()
    for user in (0, 511, 512, 699):
        alone = model.recommend(matrix[[user]], np.array([user]), matrix[[user]], 20)
        assert (alone.rows[0] == one.rows[user]).all()
        assert (alone.scores[0] == one.scores[user]).all()


@every_variant
def test_blocked_posts_are_left_out_of_everybodys_list_and_the_others_move_up(
    name: str, parameters: dict[str, Any]
) -> None:
    matrix = taste(600, 40, seed=4)
    model = learned(name, parameters, 600, 40, seed=4)
    blocked = np.arange(40) % 3 == 0

    free, barred = (model.recommend(matrix, np.arange(600), matrix, 40, 2, mask) for mask in (None, blocked))

    assert np.isin(np.flatnonzero(blocked), free.rows).any()
    for user in range(600):
        there = (free.rows[user] >= 0) & ~blocked[free.rows[user]]
        count = int(there.sum())
        assert barred.rows[user].tolist() == [*free.rows[user][there], *[-1] * (40 - count)]
        assert (barred.scores[user][:count] == free.scores[user][there]).all()
    with pytest.raises(ValueError, match=r"blocked posts must be bool of the shape \(40,\), not bool of \(39,\)"):
        model.recommend(matrix, np.arange(600), matrix, 5, 1, blocked[:39])


@every_variant
def test_the_contributions_to_a_post_are_all_that_its_score_is_made_of(name: str, parameters: dict[str, Any]) -> None:
    matrix = taste(60, 40, seed=6)
    model, nothing = learned(name, parameters, 60, 40, seed=6), csr_array((1, 40), dtype=np.float32)

    for user in (0, 17, 59):
        rows, scores = (part[0] for part in model.recommend(matrix[[user]], np.array([user]), nothing, 40))
        for post, score in zip(rows[rows >= 0], scores[rows >= 0], strict=True):
            parts = model.contributions(matrix[[user]], user, int(post)).parts
            assert parts.sum() == pytest.approx(float(score), rel=1e-4)
        for post in set(range(40)) - set(rows.tolist()):
            assert model.contributions(matrix[[user]], user, post).parts.sum() <= 1e-6


@every_variant
def test_saved_and_loaded_it_gives_the_same_bits(name: str, parameters: dict[str, Any]) -> None:
    matrix = taste(40, 30, seed=7)
    model = learned(name, parameters, 40, 30, seed=7)
    arrays = {key: array.copy() for key, array in model.to_arrays().items()}

    loaded = algorithm_named(name, model.get_params()).with_arrays(arrays, 40, 30)

    one, other = (either.recommend(matrix, np.arange(40), matrix, 12) for either in (model, loaded))
    assert (one.rows == other.rows).all()
    assert (one.scores == other.scores).all()


@every_variant
def test_learning_again_is_learning_anew(name: str, parameters: dict[str, Any]) -> None:
    matrix = taste(40, 30, seed=8)
    used = learned(name, parameters, 20, 50, seed=9)

    again, anew = used.fit(matrices(40, 30, seed=8)), learned(name, parameters, 40, 30, seed=8)

    one, other = (either.recommend(matrix, np.arange(40), matrix, 12) for either in (again, anew))
    assert (one.rows == other.rows).all()


@every_variant
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (1, 1), (1, 5), (5, 1), (3, 0)])
def test_tiny_and_empty_matrices_give_lists_that_hold_nothing_seen(
    name: str, parameters: dict[str, Any], shape: tuple[int, int]
) -> None:
    matrix = csr_array(np.ones(shape, dtype=np.float32))

    model = algorithm_named(name, parameters).fit(InteractionMatrices.timeless(matrix))

    assert (model.recommend(matrix, np.arange(shape[0]), matrix, 4).rows == -1).all()


@every_variant
def test_what_does_not_fit_the_model_is_refused_with_the_rule(name: str, parameters: dict[str, Any]) -> None:
    model = learned(name, parameters, 10, 8, seed=1)
    wide, matrix = csr_array((2, 9), dtype=np.float32), taste(2, 8, seed=2)

    with pytest.raises(ValueError, match="9 columns where the"):
        model.recommend(wide, np.full(2, -1), wide, 3)
    with pytest.raises(ValueError, match="limit must be at least 1, not 0"):
        model.recommend(matrix, np.full(2, -1), matrix, 0)
    with pytest.raises(ValueError, match="at least 1 thread, not 0"):
        model.recommend(matrix, np.full(2, -1), matrix, 3, threads=0)
    with pytest.raises(ValueError, match="CSR"):
        model.recommend(matrix, np.full(2, -1), matrix.tocsc(), 3)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_parameters_are_known_by_name_and_bounds(name: str) -> None:
    parameters = parameters_of(ALGORITHMS[name])

    assert parameters.keys() == algorithm_named(name).get_params().keys()
    with pytest.raises(ValueError, match=f"^{name}: there is no parameter 'q': it has "):
        algorithm_named(name, {"q": 1})
    for parameter in parameters:
        with pytest.raises(ValueError, match=f"^{name}: {parameter}=-9 is wrong: .* is expected$"):
            algorithm_named(name, {parameter: "-9"})


def test_an_algorithm_nobody_knows_is_named_beside_those_there_are() -> None:
    with pytest.raises(ValueError, match="there is no algorithm 'als': there are user_knn, "):
        algorithm_named("als")
