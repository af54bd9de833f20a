"""What has happened since a model learned, numbered and bounded."""

from datetime import timedelta
from uuid import UUID

import numpy as np
import pytest

from core.domain.history import History
from core.domain.interaction import Interaction, InteractionType, InteractionWeights
from core.infrastructure.adbc_interaction_table import InteractionColumns
from core.infrastructure.adbc_model_training import fit
from core.infrastructure.interaction_arrays import InteractionArrays
from core.infrastructure.model_tail import ModelTail, can_have_tail
from core.infrastructure.postgres_moments import microseconds
from core.infrastructure.ranking_model import RankingModel, keys_of
from core.recommender.registry import algorithm_named
from tests.unit.core.infrastructure.test_ranking_model import MODEL, NOW, POSTS, USERS

LIKE = InteractionType.LIKE
NEW_USER, NEW_POST, NEWER_POST = (UUID(int=number << 64) for number in (77, 99, 98))
PARAMETERS = {"k": 10, "vote_half_life": 0.0, "post_half_life": 0.0}
LEARNED = [(USERS[user], POSTS[post]) for user, post in ((0, 0), (0, 1), (1, 0), (1, 2), (2, 4), (2, 5))]


def arrays(*acts: tuple[UUID, UUID, float]) -> InteractionArrays:
    """Likes, so many hours after the model was trained."""
    return InteractionArrays(
        keys_of([user for user, _, _ in acts]),
        keys_of([post for _, post, _ in acts]),
        np.full(len(acts), list(InteractionType).index(LIKE)),
        np.array([microseconds(NOW + timedelta(hours=hours)) for _, _, hours in acts], dtype=np.int64),
    )


NOTHING = arrays()


def trained(*later: tuple[UUID, UUID, float]) -> RankingModel:
    acts = [*((user, post, 0.0) for user, post in LEARNED), *later]
    columns = InteractionColumns(
        keys_of([user for user, _, _ in acts]),
        keys_of([post for _, post, _ in acts]),
        np.full(len(acts), list(InteractionType).index(LIKE), dtype=np.uint8),
        np.array([(NOW + timedelta(hours=hours)).timestamp() for _, _, hours in acts]),
        (NOW + timedelta(hours=24)).timestamp(),
    )
    return fit(columns, InteractionWeights(), PARAMETERS)


def tail_of(model: RankingModel, at_most: int = 100) -> ModelTail:
    return ModelTail(model, NOW, at_most)


def asking(user_id: UUID, *post_ids: UUID) -> History:
    acts = tuple(Interaction(user_id, post_id, LIKE, NOW) for post_id in post_ids)
    return History(user_id, acts, generation=1, data_now=NOW)


def test_a_post_first_seen_after_training_is_recommended_to_those_alike() -> None:
    tail = tail_of(trained())

    tail.add(arrays((USERS[0], NEW_POST, 1)), NOTHING)
    model = tail.tailed(NOW + timedelta(hours=2))

    assert {post for post, _ in model.rank(asking(USERS[3], POSTS[0]), 10)} == {NEW_POST, POSTS[1], POSTS[2]}
    assert model.post_row(NEW_POST) == len(model.post_keys)
    assert NEW_POST not in {post for post, _ in model.rank(asking(USERS[3], POSTS[0], NEW_POST), 10)}


def test_who_came_after_training_gets_and_is_a_neighbour_by_all_they_did() -> None:
    model = trained()
    tail = tail_of(model)
    theirs = ((NEW_USER, POSTS[4], 1.0), (NEW_USER, NEW_POST, 2.0))
    acts = arrays(*theirs)

    unheard = tail.unheard(acts.user_keys)
    tail.add(acts, arrays(*theirs, (NEW_USER, NEWER_POST, -900)))
    tailed = tail.tailed(NOW + timedelta(hours=2))

    assert unheard.tolist() == keys_of([NEW_USER]).tolist()
    assert tail.unheard(acts.user_keys).tolist() == []
    assert tail.held == 3
    assert {post for post, _ in tailed.rank(asking(USERS[3], POSTS[4]), 10)} == {POSTS[5], NEW_POST, NEWER_POST}
    assert [post for post, _ in tailed.rank(asking(NEW_USER, POSTS[4], NEW_POST), 10)] == [POSTS[5]]


def test_who_has_met_nothing_but_posts_first_seen_after_training_gets_what_their_readers_like() -> None:
    tail = tail_of(trained())

    tail.add(arrays((USERS[0], NEW_POST, 1), (USERS[0], NEWER_POST, 1), (USERS[2], POSTS[5], 1)), NOTHING)
    model = tail.tailed(NOW + timedelta(hours=2))

    assert {post for post, _ in model.rank(asking(NEW_USER, NEW_POST), 10)} == {POSTS[0], POSTS[1], NEWER_POST}


def test_interactions_of_known_and_new_users_and_posts_rank_like_a_model_trained_on_them() -> None:
    later = [(USERS[0], NEW_POST, 1.0), (USERS[0], POSTS[1], 2.0), (NEW_USER, POSTS[0], 3.0), (NEW_USER, NEW_POST, 3.0)]
    tail, history = tail_of(trained()), asking(USERS[3], POSTS[0])
    for one in later:
        tail.add(arrays(one), NOTHING)

    ranked = tail.tailed(NOW + timedelta(hours=4)).rank(history, 10)

    # The learned user's similarity is still that of what they had done by then.
    anew = dict(trained(*later).rank(history, 10))
    assert dict(ranked).keys() == anew.keys()
    assert dict(ranked)[POSTS[2]] == pytest.approx(anew[POSTS[2]], rel=1e-5)


def test_the_oldest_are_dropped_where_there_are_more_than_may_be_held() -> None:
    tail = tail_of(trained(), at_most=10)
    posts = [UUID(int=(1000 + number) << 64) for number in range(25)]

    for hours, post in enumerate(posts):
        tail.add(arrays((USERS[0] if hours % 2 else UUID(int=(hours + 1) << 80), post, hours)), NOTHING)
        model = tail.tailed(NOW + timedelta(hours=hours))

    assert tail.held <= 10
    assert tail.held + tail.dropped == 25
    assert tail.newest == NOW + timedelta(hours=24)
    kept = posts[-tail.held :]
    assert len(model.posts) == len(model.post_keys) + tail.held
    ranked = {post for post, _ in model.rank(asking(USERS[3], POSTS[0]), 50)}
    assert ranked & set(posts) == {post for post in kept if posts.index(post) % 2}


def test_a_model_that_was_tailed_stays_as_it_is_while_the_tail_grows() -> None:
    tail, history = tail_of(trained()), asking(USERS[3], POSTS[0])
    tail.add(arrays((USERS[0], NEW_POST, 1)), NOTHING)
    before = tail.tailed(NOW)
    ranked = before.rank(history, 10)

    tail.add(arrays((USERS[1], NEWER_POST, 2)), NOTHING)
    after = tail.tailed(NOW)

    assert before.rank(history, 10) == ranked
    assert NEWER_POST in {post for post, _ in after.rank(history, 10)}


def test_without_anything_new_the_model_is_the_one_that_was_trained() -> None:
    model = trained()

    assert tail_of(model).tailed(NOW) is model
    assert tail_of(model).newest is None


def test_interactions_of_the_future_count_like_those_of_now() -> None:
    tail = ModelTail(MODEL, NOW, 100)

    tail.add(arrays((USERS[0], NEW_POST, 5000)), NOTHING)
    scores = dict(tail.tailed(NOW).rank(asking(USERS[3], POSTS[0]), 10))

    assert scores[NEW_POST] == pytest.approx(scores[POSTS[1]])
    assert tail.newest == NOW + timedelta(hours=5000)


def test_an_algorithm_that_takes_no_tail_has_none() -> None:
    model = RankingModel(algorithm_named("popular"), MODEL.user_keys, MODEL.post_keys, InteractionWeights())

    assert not can_have_tail(model)
    with pytest.raises(ValueError, match="takes no tail"):
        tail_of(model)
