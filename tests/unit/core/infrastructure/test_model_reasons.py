"""What a loaded model says of one history."""

import pytest
from scipy.sparse import csr_array

from core.domain.explanation import InfluenceKind
from core.domain.interaction import InteractionWeights
from core.infrastructure.model_reasons import reasons
from core.infrastructure.ranking_model import RankingModel
from core.recommender.algorithm import InteractionMatrices
from core.recommender.registry import algorithm_named
from tests.unit.core.infrastructure.test_ranking_model import MODEL, POSTS, USERS, history

ASKING = history(USERS[3], [POSTS[0]])


def test_neighbours_places_and_shares_are_those_of_the_ranking() -> None:
    view = reasons(MODEL, ASKING, [POSTS[1], POSTS[2], POSTS[4]], depth=10, at_most=5)

    ranked = dict(MODEL.rank(ASKING, 10))
    assert {neighbour.user_id for neighbour in view.neighbours} == {USERS[0], USERS[1]}
    assert view.neighbours[0].similarity >= view.neighbours[1].similarity > 0
    first, second, foreign = view.posts
    assert (first.place, second.place, foreign.place) == (1, 2, None)
    assert first.raw_score == pytest.approx(ranked[POSTS[1]])
    assert view.best_score == pytest.approx(first.raw_score)
    assert [(one.kind, one.id, one.share) for one in first.influences] == [(InfluenceKind.NEIGHBOUR, USERS[0], 1.0)]
    assert [one.id for one in second.influences] == [USERS[1]]
    assert (foreign.is_known, foreign.raw_score, foreign.influences) == (True, 0.0, ())
    assert list(view.weights) == [POSTS[0]]


def test_a_post_nobody_knew_is_told_as_such() -> None:
    (view,) = reasons(MODEL, ASKING, [USERS[0]], depth=10, at_most=5).posts

    assert (view.is_known, view.place, view.influences) == (False, None, ())


def test_without_posts_asked_for_the_first_of_the_ranking_are_told() -> None:
    view = reasons(MODEL, ASKING, [], depth=10, at_most=2)

    assert [post.post_id for post in view.posts] == [post_id for post_id, _ in MODEL.rank(ASKING, 2)]


def test_item_based_models_name_the_posts_of_the_history() -> None:
    votes = MODEL.algorithm.to_arrays()
    shape = (len(MODEL.user_keys), len(MODEL.post_keys))
    matrix = csr_array((votes["values"], votes["columns"], votes["starts"]), shape=shape)
    algorithm = algorithm_named("item_knn", {}).fit(InteractionMatrices.timeless(matrix))
    model = RankingModel(algorithm, MODEL.user_keys, MODEL.post_keys, InteractionWeights())

    view = reasons(model, ASKING, [POSTS[1]], depth=10, at_most=5)

    assert view.neighbours == ()
    assert [(one.kind, one.id) for one in view.posts[0].influences] == [(InfluenceKind.OWN_POST, POSTS[0])]
