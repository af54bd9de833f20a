"""Made-up matrices with skew and communities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from core.recommender import clustered_interactions as module
from core.recommender.clustered_interactions import clustered_interactions
from core.recommender.normalisation import l2_normalised


def weight_sums(matrix: csr_array, axis: int) -> np.ndarray:
    """What interactions weighed together before they were saturated."""
    summed = csr_array((np.exp2(matrix.data.astype(np.float64)) - 1, matrix.indices, matrix.indptr), matrix.shape)
    return summed.sum(axis=axis)


@given(st.integers(2, 60), st.integers(2, 60), st.integers(1, 400), st.integers(0, 2**64))
def test_any_size_makes_a_sound_matrix_of_all_interactions(
    users: int, posts: int, interactions: int, seed: int
) -> None:
    matrix = clustered_interactions(users, posts, interactions, seed)

    assert (matrix.format, matrix.shape, matrix.dtype) == ("csr", (users, posts), np.float32)
    matrix.check_format(full_check=True)
    assert matrix.has_canonical_format
    assert 1 <= matrix.nnz <= interactions
    assert matrix.data.min() >= 1
    sums = weight_sums(matrix, axis=1)
    np.testing.assert_allclose(sums, sums.round(), rtol=1e-5)
    assert interactions <= sums.sum().round() <= max(module.TYPE_WEIGHTS) * interactions


def test_the_same_seed_makes_the_same_matrix_and_another_seed_another() -> None:
    one, again, other = (clustered_interactions(300, 200, 5_000, seed) for seed in (1, 1, 2))

    assert (one.toarray() == again.toarray()).all()
    assert (one.toarray() != other.toarray()).any()


def test_popularity_follows_zipfs_law() -> None:
    matrix = clustered_interactions(users=1_500, posts=2_000, interactions=1_000_000, seed=3)

    by_popularity = np.sort(weight_sums(matrix, axis=0))[::-1]

    ranks = np.arange(1, len(by_popularity) + 1)
    slope, _ = np.polyfit(np.log(ranks), np.log(by_popularity), 1)
    assert -slope == pytest.approx(module.POPULARITY_EXPONENT, abs=0.05)


def test_activity_is_log_normal_whatever_the_user_and_its_number() -> None:
    matrix = clustered_interactions(users=2_000, posts=500, interactions=1_000_000, seed=4)

    logarithms = np.log(weight_sums(matrix, axis=1))

    assert logarithms.std() == pytest.approx(module.ACTIVITY_SIGMA, abs=0.1)
    assert np.quantile(logarithms, [0.16, 0.84]) == pytest.approx(
        logarithms.mean() + np.array([-1, 1]) * module.ACTIVITY_SIGMA, abs=0.15
    )
    assert abs(np.corrcoef(np.arange(2_000), logarithms)[0, 1]) < 0.1


def test_there_are_as_many_communities_as_singular_values_that_stand_out() -> None:
    matrix = clustered_interactions(users=3 * module.USERS_PER_COMMUNITY, posts=600, interactions=300_000, seed=5)

    # Correspondence analysis: 1 is the trivial first value, chance alone gives low ones.
    by_user, by_post = weight_sums(matrix, axis=1), weight_sums(matrix, axis=0)
    scaled = (np.exp2(matrix.toarray()) - 1) / np.sqrt(np.outer(np.maximum(1, by_user), by_post))
    values = np.linalg.svd(scaled, compute_uv=False)

    assert values[0] == pytest.approx(1)
    assert values[1:3] == pytest.approx(module.OWN_COMMUNITY_SHARE, abs=0.1)
    assert values[3] < module.OWN_COMMUNITY_SHARE / 2


def test_posts_of_a_community_are_not_neighbours_by_number() -> None:
    matrix = clustered_interactions(users=4 * module.USERS_PER_COMMUNITY, posts=400, interactions=200_000, seed=6)

    by_post = matrix.T.tocsr()
    cosines = (l2_normalised(by_post) @ l2_normalised(by_post).T).toarray()

    neighbouring, all_pairs = np.diagonal(cosines, offset=1), cosines[np.triu_indices(400, 1)]
    assert neighbouring.mean() == pytest.approx(all_pairs.mean(), rel=0.15)


def test_what_is_drawn_in_slices_is_one_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAWN_AT_ONCE", 999)

    sums = weight_sums(clustered_interactions(users=50, posts=40, interactions=10_000, seed=7), axis=1)

    mean_weight = np.dot(module.TYPE_SHARES, module.TYPE_WEIGHTS)
    assert sums.sum() == pytest.approx(10_000 * mean_weight, rel=0.03)
    assert (sums > 0).all()


def test_more_communities_than_posts_would_be_too_many() -> None:
    matrix = clustered_interactions(users=3 * module.USERS_PER_COMMUNITY, posts=2, interactions=20_000, seed=8)

    assert (weight_sums(matrix, axis=0) > 0).all()


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ((1, 2, 1), "users must be at least 2, not 1"),
        ((2, 0, 1), "posts must be at least 2, not 0"),
        ((2, 2, 0), "interactions must be at least 1, not 0"),
    ],
)
def test_sizes_of_which_nothing_can_be_made_are_refused(sizes: tuple[int, int, int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        clustered_interactions(*sizes, seed=0)
