"""Training: from the table of interactions to a model file."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core.application.ports.training import TrainedModel
from core.domain.errors import ConfigurationError, NotTrainable
from core.domain.interaction import InteractionWeights
from core.infrastructure.adbc_interaction_table import InteractionColumns, InteractionSnapshot, interaction_snapshot
from core.infrastructure.code_revision import code_revision
from core.infrastructure.gathered_interactions import (
    GatheredInteractions,
    IdentifiedMatrices,
    SlicedInteractions,
    Weighing,
)
from core.infrastructure.joblib_model_file import read_model, write_model
from core.infrastructure.ranking_model import RankingModel, type_weights
from core.infrastructure.training_memory import TrainingMemory
from core.recommender.algorithm import Algorithm
from core.recommender.registry import algorithm_named
from core.recommender.user_knn import BOUNDED_ADDITIONS, UserKNN

EXACT_UP_TO_USERS = 200_000


def say_nothing(phase: str) -> None:
    """Nobody asked."""


class AdbcModelTraining:
    """Works in a thread, so that the event loop goes on meanwhile."""

    def __init__(
        self,
        database_url: str,
        folder: Path,
        weights: InteractionWeights,
        *,
        algorithm: str = "user_knn",
        parameters: Mapping[str, Any] | None = None,
        exact_up_to_users: int = EXACT_UP_TO_USERS,
        memory_limit_mb: int = 0,
        on_phase: Callable[[str], None] = say_nothing,
    ) -> None:
        """algorithm, parameters: one of the registry, and its values by name.

        exact_up_to_users: models of more are bounded in the work for one feed; memory_limit_mb: above the idle process,
        0 for no limit; on_phase is told each phase's name when it ends.
        """
        self._database_url = database_url
        self._folder = folder
        self._weights = weights
        self._algorithm = algorithm
        self._parameters = dict(parameters or {})
        self._exact_up_to_users = exact_up_to_users
        self._memory_limit_mb = memory_limit_mb
        self._on_phase = on_phase

    async def train(self) -> TrainedModel:
        """Read, fit, write the file and verify it."""
        return await asyncio.to_thread(self._train)

    def _train(self) -> TrainedModel:
        started = time.monotonic()
        algorithm = self._algorithm_asked_for()
        gathered, read = self._read(tuple(sorted(algorithm.half_lives_hours)))
        TrainingMemory(self._memory_limit_mb).check_learning(algorithm.learning_bytes(len(gathered.posts)))
        trained = self._learned(algorithm, gathered)
        RankingModel.from_arrays(read_model(trained.path, trained.path.stem))
        self._on_phase("verify")
        return replace(
            trained,
            seconds=time.monotonic() - started,
            data_snapshot=read.name,
            data_open_since=datetime.fromtimestamp(read.open_since, UTC),
        )

    def _algorithm_asked_for(self) -> Algorithm:
        try:
            return algorithm_named(self._algorithm, self._parameters)
        except ValueError as error:
            raise ConfigurationError(f"ALGORITHM or ALGORITHM_PARAMETERS is wrong: {error}") from error

    def _read(self, half_lives_hours: tuple[float, ...]) -> tuple[GatheredInteractions, InteractionSnapshot]:
        weighing = Weighing(type_weights(self._weights), half_lives_hours)
        memory = TrainingMemory(self._memory_limit_mb, len(half_lives_hours))
        with interaction_snapshot(self._database_url) as snapshot:
            count = snapshot.count() if memory.limit_mb else 0
            gathered = _read_all(snapshot, weighing, memory, count) or _read_slices(snapshot, weighing, memory, count)
        self._on_phase("read")
        users, posts = len(gathered.users), len(gathered.posts)
        if users < 2 or posts < 2:
            raise NotTrainable(
                f"{gathered.count} interactions of {users} users with {posts} posts are too little to learn from: "
                "at least two users and two posts are needed"
            )
        return gathered, snapshot

    def _learned(self, algorithm: Algorithm, gathered: GatheredInteractions) -> TrainedModel:
        identified = gathered.matrices()
        model = _fitted(algorithm, identified, self._weights, self._exact_up_to_users)
        self._on_phase("fit")
        path = write_model(self._folder, model.to_arrays())
        self._on_phase("write")
        return self._described(path, gathered, identified, model)

    def _described(
        self, path: Path, gathered: GatheredInteractions, identified: IdentifiedMatrices, model: RankingModel
    ) -> TrainedModel:
        users, posts, pairs = len(identified.user_keys), len(identified.post_keys), identified.pairs
        weights = dict(zip(("view", "click", "like", "share"), type_weights(self._weights).tolist(), strict=True))
        return TrainedModel(
            path=path,
            algorithm=self._algorithm,
            parameters={**model.algorithm.get_params(), "weights": weights},
            metrics={"pairs": pairs, "density": pairs / (users * posts)},
            interaction_count=gathered.count,
            user_count=users,
            post_count=posts,
            data_from=datetime.fromtimestamp(gathered.oldest, UTC),
            data_up_to=datetime.fromtimestamp(gathered.newest, UTC),
            data_digest=gathered.digest.hexdigest(),
            code_revision=code_revision(),
            seconds=0.0,
        )


def fit(columns: InteractionColumns, weights: InteractionWeights, parameters: Mapping[str, Any]) -> RankingModel:
    """The user-kNN model of these interactions; ages are counted from data-now."""
    algorithm = algorithm_named("user_knn", parameters)
    weighing = Weighing(type_weights(weights), tuple(sorted(algorithm.half_lives_hours)))
    gathered = GatheredInteractions(weighing, min(columns.now, columns.times.max(initial=-np.inf)))
    gathered.add(columns)
    return _fitted(algorithm, gathered.matrices(), weights, EXACT_UP_TO_USERS)


def _read_all(
    snapshot: InteractionSnapshot, weighing: Weighing, memory: TrainingMemory, count: int
) -> GatheredInteractions | None:
    """None as soon as it is known that they are too many, or of too many users and posts."""
    if not memory.holds_all(count):
        return None
    gathered = GatheredInteractions(weighing, snapshot.data_now())
    with closing(snapshot.batches()) as batches:
        for columns in batches:
            gathered.add(columns)
            if not memory.holds_all(count, len(gathered.users) + len(gathered.posts)):
                return None
    return gathered


def _read_slices(
    snapshot: InteractionSnapshot, weighing: Weighing, memory: TrainingMemory, count: int
) -> GatheredInteractions:
    gathered = SlicedInteractions(weighing, snapshot.data_now(), count, memory.slice_rows)
    for columns in snapshot.batches_by_user(memory.batch_bytes):
        gathered.add(columns)
        memory.check_held(gathered.held, count)
        if not memory.holds_model(gathered.size):
            gathered.forget()
    gathered.complete()
    memory.check_model(gathered.size)
    return gathered


def _fitted(
    algorithm: Algorithm, identified: IdentifiedMatrices, weights: InteractionWeights, exact_up_to_users: int
) -> RankingModel:
    """The model; among more users than these neighbours are bounded, unless the parameters say how."""
    if len(identified.user_keys) > exact_up_to_users and isinstance(algorithm, UserKNN) and algorithm.can_be_bounded:
        algorithm.additions = algorithm.additions or BOUNDED_ADDITIONS
    fitted = algorithm.fit(identified.matrices)
    return RankingModel(fitted, identified.user_keys, identified.post_keys, weights)
