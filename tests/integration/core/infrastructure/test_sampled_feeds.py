"""What feeds are like for a sample of users, over a real database."""

from datetime import timedelta
from pathlib import Path

from core.domain.interaction import InteractionWeights
from core.infrastructure.adbc_model_training import AdbcModelTraining
from core.infrastructure.adbc_timed_interactions import read_identified_interactions
from core.infrastructure.joblib_model_file import read_model
from core.infrastructure.postgres_interaction_history import PostgresInteractionHistory
from core.infrastructure.postgres_pool import open_pool
from core.infrastructure.ranking_model import RankingModel
from core.infrastructure.sampled_feeds import feeds_of, sampled_histories
from tests.integration.scripts.test_replay_evaluation import fill


async def test_histories_are_what_a_worker_would_read(migrated_database_url: str) -> None:
    await fill(migrated_database_url)

    sampled = sampled_histories(read_identified_interactions(migrated_database_url))

    assert len(sampled) == 40
    async with open_pool(migrated_database_url) as pool:
        live = await PostgresInteractionHistory(pool).read(sampled[0].user_id)
    assert {(act.post_id, act.type) for act in sampled[0].interactions} == {
        (act.post_id, act.type) for act in live.interactions
    }
    assert abs(sampled[0].data_now - live.data_now) < timedelta(milliseconds=1)


async def test_the_same_users_are_sampled_whatever_else_is_there(migrated_database_url: str) -> None:
    await fill(migrated_database_url)
    interactions = read_identified_interactions(migrated_database_url)

    sampled = sampled_histories(interactions)

    some = sampled_histories(read_identified_interactions(migrated_database_url, at_most=700))
    assert {history.user_id for history in some} < {history.user_id for history in sampled}
    assert [one.user_id for one in some] == [one.user_id for one in sampled][: len(some)]


async def test_reach_and_seconds_are_those_of_the_model_s_own_feeds(migrated_database_url: str, tmp_path: Path) -> None:
    await fill(migrated_database_url)
    trained = await AdbcModelTraining(migrated_database_url, tmp_path, InteractionWeights()).train()
    model = RankingModel.from_arrays(read_model(trained.path, trained.path.stem))
    histories = sampled_histories(read_identified_interactions(migrated_database_url))

    seconds, reached = feeds_of(model, histories, 5)

    assert len(seconds) == len(histories)
    assert min(seconds) > 0
    assert reached == {post_id for history in histories for post_id, _ in model.rank(history, 5)}
