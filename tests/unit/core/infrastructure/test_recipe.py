"""How a model learns."""

import pytest

from core.domain.interaction import InteractionWeights
from core.infrastructure.recipe import recipe_of
from core.recommender.user_knn import UserKNN

WEIGHTS = {"view": 0.1, "click": 0.3, "like": 0.7, "share": 1.0}


def test_it_is_what_the_registry_keeps() -> None:
    recipe = recipe_of("user_knn", {"k": 7, "weights": WEIGHTS})

    assert recipe.weights == InteractionWeights()
    algorithm = recipe.made()
    assert isinstance(algorithm, UserKNN)
    assert algorithm.k == 7


@pytest.mark.parametrize(
    ("algorithm", "parameters", "said"),
    [
        ("user_knn", {"k": 7}, "weights"),
        ("user_knn", {"k": 7, "weights": {"love": 1}}, "love"),
        ("user_knn", {"n_neighbors": 7, "weights": WEIGHTS}, "no parameter 'n_neighbors'"),
        ("als", {"weights": WEIGHTS}, "no algorithm 'als'"),
    ],
)
def test_what_this_program_does_not_know_is_named(algorithm: str, parameters: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        recipe_of(algorithm, parameters)
