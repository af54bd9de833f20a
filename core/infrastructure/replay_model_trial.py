"""A new model tried beside the champion on the latest windows of the interactions."""

import asyncio
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.application.ports.training import TrainedModel
from core.domain.errors import ArtefactRefused, NotTrainable
from core.domain.interaction import InteractionWeights
from core.domain.model import ModelRecord
from core.domain.trial import Comparison, Measured, Trial
from core.infrastructure.adbc_timed_interactions import (
    DatedInteractions,
    IdentifiedInteractions,
    read_identified_interactions,
)
from core.infrastructure.joblib_model_file import read_model
from core.infrastructure.ranking_model import RankingModel
from core.infrastructure.recipe import Recipe, recipe_of
from core.infrastructure.sampled_feeds import feeds_of, sampled_histories
from core.infrastructure.served_lists import ServedLists
from core.recommender.clustered_bootstrap import interval_of_gain, interval_of_mean
from core.recommender.registry import algorithm_named
from core.recommender.replay import DAY_HOURS, Replay, ReplayResult, replayed
from core.recommender.replay_summary import MEASURES

K = 10
SLOWEST_SHARE = 0.01

_CANDIDATE, _CHAMPION, _POPULAR = "candidate", "champion", "popular"
# Moments come to the microsecond.
_ROUNDING_HOURS = 1e-9
# Where a champion never had a hit, any gain over it would be infinite.
_LARGEST_GAIN = 1000.0


class ReplayModelTrial:
    """Daily windows that end with the newest interaction; lists are judged as new as they can be."""

    def __init__(self, database_url: str, windows: int, most_interactions: int, depth: int) -> None:
        """windows: of a day each; most_interactions: of more, some users' are replayed; depth: posts of a feed."""
        self._database_url = database_url
        self._windows = windows
        self._most_interactions = most_interactions
        self._depth = depth

    async def __call__(
        self, candidate: TrainedModel, champion: ModelRecord | None, champion_file: Path | None
    ) -> Trial:
        """Replay, and let the very models rank for a sample of users."""
        try:
            return await asyncio.to_thread(self._tried, candidate, champion, champion_file)
        except MemoryError as error:
            return Trial(problem=_lack_of_memory(error))

    async def compare(self, one: ModelRecord, other: ModelRecord) -> Comparison:
        """Replay both recipes."""
        try:
            return await asyncio.to_thread(self._compared, one, other)
        except MemoryError as error:
            raise NotTrainable(
                f"{one.version} and {other.version} cannot be compared: {_lack_of_memory(error)}"
            ) from error

    def _tried(self, candidate: TrainedModel, champion: ModelRecord | None, champion_file: Path | None) -> Trial:
        interactions = self._read()
        served = _opened(champion, champion_file)
        trial = self._sampled(interactions, _loaded(candidate.path, candidate.path.stem), served)
        try:
            recipe = recipe_of(candidate.algorithm, candidate.parameters)
            plan = Replay(_moments(interactions, self._windows), list_ages_hours=(0.0,), limit=K)
            trial = _with_metrics(
                trial, _replayed(interactions, recipe, plan, _CANDIDATE, with_popular=True), interactions
            )
            if champion is None:
                return trial
            trial = replace(trial, on_same_past=self._on_same_past(interactions, recipe, champion, served))
            return replace(trial, learned_anew=_learned_anew(interactions, recipe, champion, plan))
        except ValueError as error:
            return replace(trial, problem=str(error))

    def _compared(self, one: ModelRecord, other: ModelRecord) -> Comparison:
        interactions = self._read()
        try:
            recipes = [recipe_of(record.algorithm, record.parameters) for record in (one, other)]
            plan = Replay(_moments(interactions, self._windows), list_ages_hours=(0.0,), limit=K)
            results = [_replayed(interactions, recipe, plan, _CANDIDATE) for recipe in recipes]
            return _comparison(*[(result, _CANDIDATE) for result in results])
        except ValueError as error:
            raise NotTrainable(f"{one.version} and {other.version} cannot be compared: {error}") from error

    def _read(self) -> IdentifiedInteractions:
        return read_identified_interactions(self._database_url, self._most_interactions)

    def _on_same_past(
        self, interactions: IdentifiedInteractions, recipe: Recipe, champion: ModelRecord, served: RankingModel | None
    ) -> Comparison | None:
        """None where nothing has happened since, or the champion's bytes or users cannot be had."""
        end = float(interactions.times[-1])
        learned_at = (champion.data_up_to - interactions.epoch) / timedelta(hours=1)
        first = max(learned_at, end - self._windows * DAY_HOURS)
        if served is None or interactions.share < 1 or not 0 < learned_at <= first < end:
            return None
        plan = Replay(tuple(np.arange(first, end, DAY_HOURS).tolist()), list_ages_hours=(0.0,), limit=K)
        relearned = _learned_up_to(learned_at, interactions, recipe)
        sources = {_CANDIDATE: ServedLists(relearned, interactions), _CHAMPION: ServedLists(served, interactions)}
        try:
            result = replayed(interactions.weighed(recipe.weights).interactions, {}, plan, sources=sources)
            return _comparison((result, _CANDIDATE), (result, _CHAMPION))
        except ValueError:  # nobody to judge
            return None

    def _sampled(
        self, interactions: IdentifiedInteractions, candidate: RankingModel, champion: RankingModel | None
    ) -> Trial:
        histories = sampled_histories(interactions)
        if not histories:
            return Trial()
        candidate.rank(histories[0], self._depth)  # what only the first call costs
        seconds, reached = feeds_of(candidate, histories, self._depth)
        return Trial(
            reach=len(reached),
            champion_reach=None if champion is None else len(feeds_of(champion, histories, self._depth)[1]),
            generation_ms=1000 * float(np.quantile(seconds, 1 - SLOWEST_SHARE)),
        )


def _lack_of_memory(error: MemoryError) -> str:
    """GATE_MOST_INTERACTIONS is what bounds it."""
    return f"there is too little memory to replay (GATE_MOST_INTERACTIONS): {error or 'none is left'}"


def _learned_up_to(hours: float, interactions: IdentifiedInteractions, recipe: Recipe) -> RankingModel:
    weighed = interactions.weighed(recipe.weights).interactions
    known = weighed.where(weighed.times <= hours + _ROUNDING_HOURS)
    algorithm = recipe.made()
    algorithm.fit(known.matrices(float(known.times[-1]), algorithm.half_lives_hours))
    return RankingModel(algorithm, interactions.user_keys, interactions.post_keys, recipe.weights)


def _moments(interactions: IdentifiedInteractions, windows: int) -> tuple[float, ...]:
    """Where daily windows begin, the last one ending with the newest interaction. Raises ValueError for none."""
    end = float(interactions.times[-1]) if len(interactions.times) else 0.0
    moments = tuple(end - back * DAY_HOURS for back in range(windows, 0, -1) if end - back * DAY_HOURS > 0)
    if not moments:
        raise ValueError("the interactions are of less than a day")
    return moments


def _replayed(
    interactions: IdentifiedInteractions,
    recipe: Recipe,
    plan: Replay,
    name: str,
    *,
    with_popular: bool = False,
) -> ReplayResult:
    algorithms = {name: recipe.made()}
    if with_popular:
        algorithms[_POPULAR] = algorithm_named(_POPULAR, {})
    weighed = interactions.weighed(recipe.weights).interactions
    return replayed(weighed, algorithms, plan, threads=os.cpu_count() or 1)


def _with_metrics(trial: Trial, result: ReplayResult, interactions: IdentifiedInteractions) -> Trial:
    judged = result.judged("known")
    by_name = {f"{name}_at_{K}": result.values(_CANDIDATE, "known", 0.0, measure) for name, measure in MEASURES.items()}
    dated = DatedInteractions(interactions.weighed(InteractionWeights()).interactions, interactions.epoch)
    return replace(
        trial,
        metrics={
            name: Measured(float(values.mean()), *interval_of_mean(values, judged.users))
            for name, values in by_name.items()
        },
        by_window={name: _means(values, judged.windows) for name, values in by_name.items()},
        first_window_at=dated.moment_at(result.plan.moments[0]),
        last_window_at=dated.moment_at(result.plan.moments[-1]),
        windows=len(result.plan.moments),
        judged=len(judged.users),
        gain_over_popular=_comparison((result, _CANDIDATE), (result, _POPULAR)).gain,
    )


def _learned_anew(
    interactions: IdentifiedInteractions, recipe: Recipe, champion: ModelRecord, plan: Replay
) -> Comparison | None:
    """None where both learn in the same way. Raises ValueError for a champion whose way is not known any more."""
    try:
        other = recipe_of(champion.algorithm, champion.parameters)
    except ValueError as error:
        raise ValueError(
            f"{champion.version} cannot learn anew, its parameters are not of this program: {error}"
        ) from error
    if other == recipe:
        return None
    ours = _replayed(interactions, recipe, plan, _CANDIDATE)
    return _comparison((ours, _CANDIDATE), (_replayed(interactions, other, plan, _CHAMPION), _CHAMPION))


def _comparison(ours: tuple[ReplayResult, str], theirs: tuple[ReplayResult, str]) -> Comparison:
    """Paired: the same users in the same windows are judged in both, whatever interactions count there."""
    values, baseline = (result.values(name, "known", 0.0) for result, name in (ours, theirs))
    judged = ours[0].judged("known")
    mean = _gain(float(values.mean()), float(baseline.mean()))
    low, high = (_bounded(bound) for bound in interval_of_gain(values, baseline, judged.users))
    return Comparison(len(judged.users), len(np.unique(judged.windows)), Measured(mean, low, high))


def _gain(ours: float, theirs: float) -> float:
    if theirs == 0:
        return _LARGEST_GAIN if ours > 0 else 0.0
    return _bounded(ours / theirs - 1)


def _bounded(gain: float) -> float:
    return float(np.clip(np.nan_to_num(gain, nan=0.0, posinf=_LARGEST_GAIN), -1, _LARGEST_GAIN))


def _means(values: NDArray[np.float64], windows: NDArray[np.int64]) -> tuple[float, ...]:
    """Of each window in which somebody is judged, in order of time."""
    return tuple(float(values[windows == window].mean()) for window in np.unique(windows))


def _opened(champion: ModelRecord | None, file: Path | None) -> RankingModel | None:
    if champion is None or file is None:
        return None
    try:
        return _loaded(file, champion.sha256)
    except ArtefactRefused:
        return None


def _loaded(path: Path, sha256: str) -> RankingModel:
    return RankingModel.from_arrays(read_model(path, sha256))
