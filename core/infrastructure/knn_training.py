"""Training: from the table of interactions to a model file."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from core.application.ports.training import TrainedModel
from core.domain.errors import NotTrainable
from core.domain.interaction import InteractionWeights
from core.infrastructure.adbc_interaction_table import InteractionColumns, read_interactions
from core.infrastructure.joblib_model_file import write_model
from core.infrastructure.knn_model import SECONDS_PER_HOUR, KnnModel, Weighing
from core.recommender.interaction_matrix import decayed_weights, user_item_matrix
from core.recommender.registry import ALGORITHMS

ALGORITHM = "user_knn"


class KnnTraining:
    """Works in a thread, so that the event loop goes on meanwhile."""

    def __init__(
        self, database_url: str, folder: Path, weights: InteractionWeights, half_life_hours: float, neighbour_count: int
    ) -> None:
        self._database_url = database_url
        self._folder = folder
        self._weighing = Weighing(weights, half_life_hours)
        self._neighbour_count = neighbour_count

    async def train(self) -> TrainedModel:
        """Read, fit and write the file."""
        return await asyncio.to_thread(self._train)

    def _train(self) -> TrainedModel:
        columns = read_interactions(self._database_url)
        _check(columns)
        model = fit(columns, self._weighing, self._neighbour_count)
        path = write_model(self._folder, model.to_arrays())
        return self._described(path, columns, model)

    def _described(self, path: Path, columns: InteractionColumns, model: KnnModel) -> TrainedModel:
        users, posts = len(model.user_keys), len(model.post_keys)
        pairs = len(model.algorithm.weights_.columns)
        return TrainedModel(
            path=path,
            algorithm=ALGORITHM,
            parameters={
                **model.algorithm.get_params(),
                "half_life_hours": self._weighing.half_life_hours,
                "weights": dict(
                    zip(("view", "click", "like", "share"), self._weighing.type_weights().tolist(), strict=True)
                ),
            },
            metrics={"pairs": pairs, "density": pairs / (users * posts)},
            interaction_count=len(columns.times),
            user_count=users,
            post_count=posts,
            data_from=datetime.fromtimestamp(columns.times.min(), UTC),
            data_up_to=datetime.fromtimestamp(columns.times.max(), UTC),
        )


def fit(columns: InteractionColumns, weighing: Weighing, neighbour_count: int) -> KnnModel:
    """The model of these interactions; ages are counted from data-now."""
    user_keys, user_rows = np.unique(columns.user_keys, return_inverse=True)
    post_keys, post_rows = np.unique(columns.post_keys, return_inverse=True)
    data_now = min(columns.now, float(columns.times.max()))
    ages_hours = (data_now - columns.times) / SECONDS_PER_HOUR
    weights = decayed_weights(weighing.type_weights()[columns.type_codes], ages_hours, weighing.half_life_hours)
    matrix = user_item_matrix(user_rows, post_rows, weights, (len(user_keys), len(post_keys)))
    algorithm = ALGORITHMS[ALGORITHM](n_neighbors=neighbour_count).fit(matrix)
    return KnnModel(algorithm, user_keys, post_keys, weighing)


def _check(columns: InteractionColumns) -> None:
    users, posts = (len(np.unique(keys)) for keys in (columns.user_keys, columns.post_keys))
    if users < 2 or posts < 2:
        raise NotTrainable(
            f"{len(columns.times)} interactions of {users} users with {posts} posts are too little to learn from: "
            "at least two users and two posts are needed"
        )
