"""Lists of a trained model at moments of the past."""

from pathlib import Path
from uuid import UUID

import numpy as np

from core.domain.interaction import InteractionWeights
from core.infrastructure.adbc_model_training import AdbcModelTraining
from core.infrastructure.adbc_timed_interactions import IdentifiedInteractions, read_identified_interactions
from core.infrastructure.joblib_model_file import read_model
from core.infrastructure.ranking_model import RankingModel
from core.infrastructure.sampled_feeds import sampled_histories
from core.infrastructure.served_lists import ServedLists
from core.recommender.timed_interactions import TimedInteractions
from tests.integration.scripts.test_replay_evaluation import fill


async def model_and_interactions(url: str, folder: Path) -> tuple[RankingModel, IdentifiedInteractions]:
    await fill(url)
    trained = await AdbcModelTraining(url, folder, InteractionWeights()).train()
    return RankingModel.from_arrays(read_model(trained.path, trained.path.stem)), read_identified_interactions(url)


def seen_by(users: np.ndarray, weighed: TimedInteractions) -> object:
    return weighed.matrix(float(weighed.times[-1]), 0)[users]


async def test_with_all_that_is_known_they_are_the_feeds_of_today(migrated_database_url: str, tmp_path: Path) -> None:
    model, interactions = await model_and_interactions(migrated_database_url, tmp_path)
    weighed = interactions.weighed(model.weights).interactions
    users = np.arange(len(interactions.user_keys))
    now = float(weighed.times[-1])

    lists = ServedLists(model, interactions)(users, seen_by(users, weighed), now, 24, 10, age_hours=0)

    for history in sampled_histories(interactions):
        user = int(np.flatnonzero(interactions.user_keys == np.bytes_(history.user_id.bytes))[0])
        found = [UUID(bytes=interactions.post_keys[post : post + 1].tobytes()) for post in lists[user] if post >= 0]
        assert found == [post_id for post_id, _ in model.rank(history, 10)]


async def test_nothing_is_listed_that_nobody_had_by_then(migrated_database_url: str, tmp_path: Path) -> None:
    model, interactions = await model_and_interactions(migrated_database_url, tmp_path)
    weighed = interactions.weighed(model.weights).interactions
    users, moment = np.arange(len(interactions.user_keys)), float(weighed.times[-1]) - 6

    lists = ServedLists(model, interactions)(users, seen_by(users, weighed), moment, 24, 10, age_hours=6)

    known = set(interactions.posts[interactions.times <= moment - 6].tolist())
    assert set(lists[lists >= 0].tolist()) <= known
    assert (lists >= 0).any()
    assert (np.diff((lists < 0).astype(int), axis=1) >= 0).all()
