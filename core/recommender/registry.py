"""The algorithms there are: one line each."""

from collections.abc import Mapping
from typing import Any

from core.recommender.algorithm import Algorithm
from core.recommender.ease import EASE
from core.recommender.item_knn import ItemKNN
from core.recommender.parameters import parsed_parameters
from core.recommender.popular import Popular
from core.recommender.rp3beta import RP3Beta
from core.recommender.user_knn import UserKNN

ALGORITHMS: dict[str, type[Any]] = {
    "user_knn": UserKNN,
    "item_knn": ItemKNN,
    "rp3beta": RP3Beta,
    "ease": EASE,
    "popular": Popular,
}


def algorithm_named(name: str, parameters: Mapping[str, Any] | None = None) -> Algorithm:
    """The algorithm of this name, not yet learned, with these parameters, given as values or as texts.

    Raises ValueError that names what is wrong and what would be right.
    """
    if name not in ALGORITHMS:
        raise ValueError(f"there is no algorithm {name!r}: there are {', '.join(ALGORITHMS)}")
    try:
        made: Algorithm = ALGORITHMS[name](**parsed_parameters(ALGORITHMS[name], parameters or {}))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return made
