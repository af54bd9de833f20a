"""A model at work on live histories."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from scipy.sparse import csr_array

from core.domain.errors import ArtefactRefused
from core.domain.history import History
from core.domain.interaction import Interaction, InteractionType, InteractionWeights
from core.infrastructure.adbc_interaction_table import InteractionColumns
from core.infrastructure.adbc_model_training import fit
from core.infrastructure.joblib_model_file import read_model, write_model
from core.infrastructure.ranking_model import RankingModel
from core.recommender.algorithm import InteractionMatrices
from core.recommender.registry import algorithm_named

NOW = datetime(2026, 11, 1, tzinfo=UTC)
# The last bytes of these ids are zero: they must not be lost on the way.
USERS = [UUID(int=number << 64) for number in range(1, 5)]
POSTS = [UUID(int=number << 96) for number in range(1, 7)]


def columns(rows: list[tuple[int, int, InteractionType]]) -> InteractionColumns:
    return InteractionColumns(
        user_keys=np.array([USERS[user].bytes for user, _, _ in rows], dtype="S16"),
        post_keys=np.array([POSTS[post].bytes for _, post, _ in rows], dtype="S16"),
        type_codes=np.array([list(InteractionType).index(kind) for _, _, kind in rows]),
        times=np.full(len(rows), NOW.timestamp()),
        now=NOW.timestamp(),
    )


def history(user_id: UUID, posts: list[UUID], hours_ago: float = 0) -> History:
    at = NOW - timedelta(hours=hours_ago)
    acts = tuple(Interaction(user_id, post_id, InteractionType.LIKE, at) for post_id in posts)
    return History(user_id, acts, generation=1, data_now=NOW)


LIKE, VIEW = InteractionType.LIKE, InteractionType.VIEW
MODEL = fit(
    columns([(0, 0, LIKE), (0, 1, LIKE), (1, 0, LIKE), (1, 2, LIKE), (1, 3, VIEW), (2, 4, LIKE), (2, 5, LIKE)]),
    InteractionWeights(),
    {"k": 10},
)


EARLY = {"n_neighbors": np.array([10]), "half_life_hours": np.zeros(1), "additions": np.zeros(1, dtype=np.int64)}
"""What models had in the place of a named algorithm and its parameters."""
OPTIONAL = {"damping", "thresholds", "fading"}


def test_posts_of_similar_users_come_by_weight_and_ids_come_out_whole() -> None:
    ranked = MODEL.rank(history(USERS[3], [POSTS[0]]), 10)

    assert [post_id for post_id, _ in ranked] == [POSTS[1], POSTS[2], POSTS[3]]
    assert all(score > 0 for _, score in ranked)


def test_the_live_history_counts_and_not_the_one_the_model_was_trained_on() -> None:
    ranked = MODEL.rank(history(USERS[0], [POSTS[4]]), 10)

    assert [post_id for post_id, _ in ranked] == [POSTS[5]]


def test_a_users_own_trained_row_does_not_vote() -> None:
    ranked = MODEL.rank(history(USERS[2], [POSTS[4]]), 10)

    assert ranked == ()


def test_unknown_posts_of_the_history_are_passed_over() -> None:
    stranger = UUID(int=7)

    assert MODEL.rank(history(USERS[3], [stranger]), 10) == ()
    assert MODEL.rank(history(USERS[3], [stranger, POSTS[4]]), 10) == MODEL.rank(history(USERS[3], [POSTS[4]]), 10)


def test_posts_seen_without_weight_are_not_recommended_either() -> None:
    model = fit(
        columns([(0, 0, LIKE), (0, 1, LIKE), (1, 0, LIKE)]),
        InteractionWeights(view=0.0),
        {"k": 5},
    )
    acts = (*history(USERS[3], [POSTS[0]]).interactions, Interaction(USERS[3], POSTS[1], VIEW, NOW))

    assert model.rank(History(USERS[3], acts, 1, NOW), 10) == ()


def test_with_a_half_life_older_interactions_count_less() -> None:
    model = fit(
        columns([(0, 0, LIKE), (0, 1, LIKE), (1, 4, LIKE), (1, 5, LIKE)]),
        InteractionWeights(),
        {"similarity_half_life": 24.0},
    )
    old, new = history(USERS[3], [POSTS[0]], hours_ago=72), history(USERS[3], [POSTS[4]])

    ranked = model.rank(History(USERS[3], old.interactions + new.interactions, 1, NOW), 10)

    assert [post_id for post_id, _ in ranked] == [POSTS[5], POSTS[1]]


def test_a_saved_and_loaded_model_gives_the_same_answer(tmp_path: Path) -> None:
    path = write_model(tmp_path, MODEL.to_arrays())

    loaded = RankingModel.from_arrays(read_model(path, path.stem))

    for user in USERS:
        for post_id in POSTS:
            assert loaded.rank(history(user, [post_id]), 10) == MODEL.rank(history(user, [post_id]), 10)


def test_a_model_that_was_registered_without_an_index_still_serves() -> None:
    arrays = MODEL.to_arrays() | EARLY
    matrix = {"indptr": arrays["starts"], "indices": arrays["columns"], "weights": arrays["values"]}
    kept = {name: arrays[name] for name in ("user_keys", "post_keys", "type_weights", "n_neighbors", "half_life_hours")}

    loaded = RankingModel.from_arrays(matrix | kept)

    assert loaded.rank(history(USERS[3], [POSTS[0]]), 10) == MODEL.rank(history(USERS[3], [POSTS[0]]), 10)


def test_a_model_that_was_registered_without_a_name_still_serves() -> None:
    arrays = {name: array for name, array in MODEL.to_arrays().items() if name not in {"algorithm", *OPTIONAL}}

    loaded = RankingModel.from_arrays(arrays | EARLY)

    assert loaded.rank(history(USERS[3], [POSTS[0]]), 10) == MODEL.rank(history(USERS[3], [POSTS[0]]), 10)


def test_many_histories_are_ranked_like_each_alone() -> None:
    histories = [history(user, [post]) for user in USERS for post in POSTS] + [history(USERS[0], [])]

    assert MODEL.rank_many(histories, 4, threads=2) == [MODEL.rank(one, 4) for one in histories]
    assert MODEL.rank_many([], 4) == []


@pytest.mark.parametrize("missing", sorted(MODEL.to_arrays().keys() - OPTIONAL))
def test_arrays_that_are_not_such_a_model_are_refused(missing: str) -> None:
    arrays = MODEL.to_arrays()
    del arrays[missing]

    with pytest.raises(ArtefactRefused, match="not one of ours"):
        RankingModel.from_arrays(arrays)


def test_ids_of_a_wrong_shape_are_refused() -> None:
    with pytest.raises(ArtefactRefused, match="16 bytes"):
        RankingModel.from_arrays(MODEL.to_arrays() | {"user_keys": np.zeros((3, 15), dtype=np.uint8)})


def test_what_a_model_has_learned_of_a_user_gives_the_list_of_that_history() -> None:
    recalled = MODEL.recall(USERS[0], 10)

    assert recalled is not None
    assert recalled.post_ids == {POSTS[0], POSTS[1]}
    expected = MODEL.rank(history(USERS[0], [POSTS[0], POSTS[1]]), 10)
    assert [post_id for post_id, _ in recalled.ranked] == [post_id for post_id, _ in expected]
    assert [score for _, score in recalled.ranked] == pytest.approx([score for _, score in expected])


def test_of_a_user_it_has_not_met_a_model_recalls_nothing() -> None:
    assert MODEL.recall(USERS[3], 10) is None


def test_an_algorithm_that_keeps_no_users_recalls_nothing() -> None:
    items = algorithm_named("item_knn", {}).fit(InteractionMatrices.timeless(csr_array(np.ones((2, 2), np.float32))))
    keys = MODEL.user_keys[:2], MODEL.post_keys[:2]

    assert RankingModel(items, *keys, InteractionWeights()).recall(USERS[0], 10) is None


def test_blocked_posts_are_not_recommended_and_come_back_when_they_are_not_blocked_any_more() -> None:
    asking = history(USERS[3], [POSTS[0]])

    less = MODEL.without(np.array([post_id == POSTS[2] for post_id in MODEL.post_ids(np.arange(len(MODEL.posts)))]))

    assert [post_id for post_id, _ in less.rank(asking, 10)] == [POSTS[1], POSTS[3]]
    assert less.without(None).rank(asking, 10) == MODEL.rank(asking, 10)
    assert MODEL.rank_many([asking], 10) != less.rank_many([asking], 10)
