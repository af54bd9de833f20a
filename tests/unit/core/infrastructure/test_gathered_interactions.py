"""Interactions on their way into user-item matrices."""

from collections.abc import Iterator
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.interaction import InteractionType, InteractionWeights
from core.infrastructure.adbc_interaction_table import InteractionColumns
from core.infrastructure.gathered_interactions import (
    GatheredInteractions,
    IdentifiedMatrices,
    SlicedInteractions,
    Weighing,
)
from core.infrastructure.ranking_model import type_weights
from core.recommender.interaction_matrix import decayed_weights

NOW = 1_800_000_000.0
HALF_LIVES_HOURS = (0.0, 24.0)
DECAYING = Weighing(type_weights(InteractionWeights()), HALF_LIVES_HOURS)
# The order of the ids is not that of the numbers, and their last bytes are zero.
USERS = [UUID(int=(number * 77 % 8 + 1) << 64) for number in range(8)]
POSTS = [UUID(int=(number * 55 % 8 + 1) << 96) for number in range(8)]

Act = tuple[int, int, int, float]
acts = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 3), st.floats(-10, 100, width=32)), max_size=40
)
compiling = settings(deadline=None)  # the first call of a kernel may have to


def columns(rows: list[Act]) -> InteractionColumns:
    return InteractionColumns(
        user_keys=np.array([USERS[user].bytes for user, _, _, _ in rows], dtype="S16"),
        post_keys=np.array([POSTS[post].bytes for _, post, _, _ in rows], dtype="S16"),
        type_codes=np.array([kind for _, _, kind, _ in rows], dtype=np.uint8),
        times=np.array([NOW - 3600 * hours for _, _, _, hours in rows], dtype=np.float64),
        now=NOW,
    )


def in_batches(rows: list[Act], size: int) -> Iterator[InteractionColumns]:
    return (columns(rows[first : first + size]) for first in range(0, len(rows), size))


def whole(rows: list[Act], batch_size: int = 7) -> IdentifiedMatrices:
    gathered = GatheredInteractions(DECAYING, NOW)
    for batch in in_batches(rows, batch_size):
        gathered.add(batch)
    return gathered.matrices()


def sliced(rows: list[Act], batch_size: int, slice_rows: int) -> IdentifiedMatrices:
    gathered = SlicedInteractions(DECAYING, NOW, len(rows), slice_rows)
    for batch in in_batches(sorted(rows, key=lambda row: USERS[row[0]].bytes), batch_size):
        gathered.add(batch)
    gathered.complete()
    return gathered.matrices()


def assert_same(one: IdentifiedMatrices, other: IdentifiedMatrices) -> None:
    """To the last bit."""
    assert one.user_keys.tolist() == other.user_keys.tolist()
    assert one.post_keys.tolist() == other.post_keys.tolist()
    assert one.matrices.post_ages_hours.tolist() == other.matrices.post_ages_hours.tolist()
    for half_life_hours in HALF_LIVES_HOURS:
        matrix, its_like = (either.matrices.under(half_life_hours) for either in (one, other))
        assert matrix.shape == its_like.shape
        assert matrix.indptr.tolist() == its_like.indptr.tolist()
        assert matrix.indices.tolist() == its_like.indices.tolist()
        assert matrix.data.tolist() == its_like.data.tolist()


@compiling
@given(acts)
def test_the_matrices_are_the_plain_formula_with_ids_in_their_order(rows: list[Act]) -> None:
    users = sorted({USERS[user].bytes for user, _, _, _ in rows})
    posts = sorted({POSTS[post].bytes for _, post, _, _ in rows})
    sums = {half_life: np.zeros((len(users), len(posts))) for half_life in HALF_LIVES_HOURS}
    ages = np.full(len(posts), -np.inf)
    for user, post, kind, hours in rows:
        weight = InteractionWeights().of(tuple(InteractionType)[kind])
        place = users.index(USERS[user].bytes), posts.index(POSTS[post].bytes)
        ages[place[1]] = max(ages[place[1]], hours, 0)
        for half_life in HALF_LIVES_HOURS:
            sums[half_life][place] += decayed_weights(np.array([weight]), np.array([hours]), half_life)[0]

    identified = whole(rows)

    assert identified.user_keys.tolist() == [one.rstrip(b"\0") for one in users]
    assert identified.post_keys.tolist() == [one.rstrip(b"\0") for one in posts]
    np.testing.assert_allclose(identified.matrices.post_ages_hours, ages, atol=1e-6)
    for half_life in HALF_LIVES_HOURS:
        matrix = identified.matrices.under(half_life).toarray()
        np.testing.assert_allclose(matrix, np.log2(1 + sums[half_life]), rtol=1e-6, atol=1e-12)


@compiling
@given(acts, st.randoms(), st.integers(1, 50))
def test_neither_the_order_of_rows_nor_their_batches_matter(rows: list[Act], random: object, size: int) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types its random loosely

    assert_same(whole(rows), whole(shuffled, size))


@compiling
@given(acts, st.integers(1, 50), st.integers(1, 50))
def test_slices_give_the_same_matrices(rows: list[Act], batch_size: int, slice_rows: int) -> None:
    assert_same(sliced(rows, batch_size, slice_rows), whole(rows))


def test_what_was_gathered_is_known() -> None:
    gathered = GatheredInteractions(DECAYING, NOW)

    gathered.add(columns([(0, 1, 0, 5.0), (0, 2, 0, 1.0)]))
    gathered.add(columns([(3, 2, 1, 7.0)]))

    assert (gathered.count, len(gathered.users), len(gathered.posts)) == (3, 2, 2)
    assert (gathered.oldest, gathered.newest) == (NOW - 7 * 3600, NOW - 3600)


def test_a_slice_is_not_held_any_longer_but_its_last_user_is() -> None:
    gathered = SlicedInteractions(DECAYING, NOW, count=4, slice_rows=3)

    for batch in in_batches([(0, 0, 0, 0), (0, 1, 0, 0), (0, 2, 0, 0)], 1):
        gathered.add(batch)
        assert gathered.size.pairs == 0
    gathered.add(columns([(5, 1, 0, 0)]))

    assert gathered.held == 1
    assert gathered.size == (2, 3, 2 * 3)


def test_what_is_forgotten_is_counted_all_the_same() -> None:
    gathered = SlicedInteractions(DECAYING, NOW, count=4, slice_rows=1)
    gathered.add(columns([(0, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 0)]))

    gathered.forget()
    gathered.add(columns([(5, 1, 0, 0)]))
    gathered.complete()

    assert gathered.size == (2, 2, 2 * 3)


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_weights_that_are_none_are_refused(wrong: float) -> None:
    gathered = GatheredInteractions(Weighing(type_weights(InteractionWeights(view=wrong)), (0.0,)), NOW)

    with pytest.raises(ValueError, match="finite and not negative"):
        gathered.add(columns([(0, 0, 0, 0)]))


def test_what_is_held_is_told_by_the_matrix_that_holds_the_most() -> None:
    forgotten_under_the_short_one = Weighing(DECAYING.by_type, (0.0, 1.0))
    gathered = SlicedInteractions(forgotten_under_the_short_one, NOW, count=30, slice_rows=3)

    for _ in range(3):
        gathered.add(columns([(0, 0, 2, 2160.0)] * 10))

    assert gathered.held == 30
