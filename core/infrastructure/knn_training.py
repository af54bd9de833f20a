"""Training: from the table of interactions to a model file."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from core.application.ports.training import TrainedModel
from core.domain.errors import NotTrainable
from core.domain.interaction import InteractionWeights
from core.infrastructure.adbc_interaction_table import InteractionColumns, InteractionSnapshot, interaction_snapshot
from core.infrastructure.gathered_interactions import GatheredInteractions, IdentifiedMatrix, SlicedInteractions
from core.infrastructure.joblib_model_file import read_model, write_model
from core.infrastructure.knn_model import KnnModel, Weighing
from core.infrastructure.training_memory import TrainingMemory
from core.recommender.registry import ALGORITHMS
from core.recommender.user_knn import BOUNDED_ADDITIONS

ALGORITHM = "user_knn"
EXACT_UP_TO_USERS = 200_000


def say_nothing(phase: str) -> None:
    """Nobody asked."""


class KnnTraining:
    """Works in a thread, so that the event loop goes on meanwhile."""

    def __init__(
        self,
        database_url: str,
        folder: Path,
        weights: InteractionWeights,
        half_life_hours: float,
        neighbour_count: int,
        *,
        exact_up_to_users: int = EXACT_UP_TO_USERS,
        memory_limit_mb: int = 0,
        on_phase: Callable[[str], None] = say_nothing,
    ) -> None:
        """exact_up_to_users: models of more are bounded in the work for one feed; memory_limit_mb: above the idle
        process, 0 for no limit; on_phase is told each phase's name when it ends.
        """
        self._database_url = database_url
        self._folder = folder
        self._weighing = Weighing(weights, half_life_hours)
        self._neighbour_count = neighbour_count
        self._exact_up_to_users = exact_up_to_users
        self._memory = TrainingMemory(memory_limit_mb)
        self._on_phase = on_phase

    async def train(self) -> TrainedModel:
        """Read, fit, write the file and verify it."""
        return await asyncio.to_thread(self._train)

    def _train(self) -> TrainedModel:
        trained = self._learned(self._read())
        KnnModel.from_arrays(read_model(trained.path, trained.path.stem))
        self._on_phase("verify")
        return trained

    def _read(self) -> GatheredInteractions:
        with interaction_snapshot(self._database_url) as snapshot:
            count = snapshot.count() if self._memory.limit_mb else 0
            gathered = self._read_all(snapshot) if self._memory.holds_all(count) else self._read_slices(snapshot, count)
        self._on_phase("read")
        users, posts = len(gathered.users), len(gathered.posts)
        if users < 2 or posts < 2:
            raise NotTrainable(
                f"{gathered.count} interactions of {users} users with {posts} posts are too little to learn from: "
                "at least two users and two posts are needed"
            )
        return gathered

    def _read_all(self, snapshot: InteractionSnapshot) -> GatheredInteractions:
        gathered = GatheredInteractions(self._weighing, snapshot.data_now())
        for columns in snapshot.batches():
            gathered.add(columns)
        return gathered

    def _read_slices(self, snapshot: InteractionSnapshot, count: int) -> GatheredInteractions:
        gathered = SlicedInteractions(self._weighing, snapshot.data_now(), count, self._memory.slice_rows)
        for columns in snapshot.batches_by_user(self._memory.batch_bytes):
            gathered.add(columns)
            self._memory.check_held(gathered.held, count)
            if not self._memory.holds_model(gathered.size):
                gathered.forget()
        gathered.complete()
        self._memory.check_model(gathered.size)
        return gathered

    def _learned(self, gathered: GatheredInteractions) -> TrainedModel:
        identified = gathered.matrix()
        model = _fitted(identified, self._weighing, self._neighbour_count, self._exact_up_to_users)
        self._on_phase("fit")
        path = write_model(self._folder, model.to_arrays())
        self._on_phase("write")
        return self._described(path, gathered, identified, model)

    def _described(
        self, path: Path, gathered: GatheredInteractions, identified: IdentifiedMatrix, model: KnnModel
    ) -> TrainedModel:
        users, posts = identified.matrix.shape
        pairs = identified.matrix.nnz
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
            interaction_count=gathered.count,
            user_count=users,
            post_count=posts,
            data_from=datetime.fromtimestamp(gathered.oldest, UTC),
            data_up_to=datetime.fromtimestamp(gathered.newest, UTC),
        )


def fit(columns: InteractionColumns, weighing: Weighing, neighbour_count: int) -> KnnModel:
    """The model of these interactions; ages are counted from data-now."""
    gathered = GatheredInteractions(weighing, min(columns.now, columns.times.max(initial=-np.inf)))
    gathered.add(columns)
    return _fitted(gathered.matrix(), weighing, neighbour_count, EXACT_UP_TO_USERS)


def _fitted(identified: IdentifiedMatrix, weighing: Weighing, neighbour_count: int, exact_up_to_users: int) -> KnnModel:
    additions = BOUNDED_ADDITIONS if len(identified.user_keys) > exact_up_to_users else 0
    algorithm = ALGORITHMS[ALGORITHM](n_neighbors=neighbour_count, additions=additions).fit(identified.matrix)
    return KnnModel(algorithm, identified.user_keys, identified.post_keys, weighing)
