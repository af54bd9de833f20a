"""How a model learns, as the registry keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.domain.interaction import InteractionWeights
from core.recommender.algorithm import Algorithm
from core.recommender.registry import algorithm_named


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model learns: its algorithm with its parameters, and what interactions count."""

    algorithm: str
    parameters: Mapping[str, Any]
    weights: InteractionWeights

    def made(self) -> Algorithm:
        """An algorithm that has not learned yet. Raises ValueError for parameters that are of no use here."""
        return algorithm_named(self.algorithm, self.parameters)


def recipe_of(algorithm: str, parameters: Mapping[str, Any]) -> Recipe:
    """The recipe as the registry keeps it. Raises ValueError for one that this program does not know."""
    parameters = dict(parameters)
    try:
        weights = InteractionWeights(**parameters.pop("weights"))
    except (KeyError, TypeError) as error:
        raise ValueError(f"there are no weights of interactions that this program knows: {error}") from error
    recipe = Recipe(algorithm, parameters, weights)
    recipe.made()
    return recipe
