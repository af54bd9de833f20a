"""A new model beside the champion, over a real database."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.application.ports.training import TrainedModel
from core.domain.errors import ArchiveUnavailable, NotTrainable
from core.domain.interaction import InteractionWeights
from core.domain.model import ModelRecord, ModelStatus
from core.domain.trial import Measured
from core.infrastructure import replay_model_trial
from core.infrastructure.adbc_model_training import AdbcModelTraining
from core.infrastructure.replay_model_trial import ReplayModelTrial
from tests.integration.scripts.test_replay_evaluation import fill

WINDOWS = 4


@pytest.fixture
async def filled(migrated_database_url: str) -> str:
    await fill(migrated_database_url)
    return migrated_database_url


async def trained(url: str, folder: Path, algorithm: str = "user_knn", **parameters: Any) -> TrainedModel:
    training = AdbcModelTraining(url, folder, InteractionWeights(), algorithm=algorithm, parameters=parameters)
    return await training.train()


def record_of(trained: TrainedModel, number: int = 1) -> ModelRecord:
    """As the registry would keep it."""
    return ModelRecord(
        number=number,
        algorithm=trained.algorithm,
        parameters=trained.parameters,
        metrics=trained.metrics,
        sha256=trained.path.stem,
        size_bytes=trained.path.stat().st_size,
        status=ModelStatus.CHAMPION,
        interaction_count=trained.interaction_count,
        user_count=trained.user_count,
        post_count=trained.post_count,
        data_from=trained.data_from,
        data_up_to=trained.data_up_to,
        trained_at=trained.data_up_to,
    )


def trial_on(url: str, most_interactions: int = 1_000_000) -> ReplayModelTrial:
    return ReplayModelTrial(url, WINDOWS, most_interactions, depth=20)


async def run(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def forget_after(url: str, days: int) -> None:
    """As the table was so many days before its end."""
    newest = "(select max(created_at) from user_interaction)"
    await run(url, f"delete from user_interaction where created_at > {newest} - interval '{days} days'")


async def test_the_first_model_is_measured_without_a_champion(filled: str, tmp_path: Path) -> None:
    trial = await trial_on(filled)(await trained(filled, tmp_path), None, None)

    assert trial.problem is None
    assert (trial.windows, trial.judged > 50) == (WINDOWS, True)
    assert set(trial.metrics) == {"ndcg_at_10", "precision_at_10", "recall_at_10", "hit_rate_at_10", "mrr_at_10"}
    ndcg = trial.metrics["ndcg_at_10"]
    assert 0 < ndcg.low < ndcg.mean < ndcg.high < 1
    assert len(trial.by_window["ndcg_at_10"]) == WINDOWS
    assert trial.first_window_at is not None
    assert trial.last_window_at == trial.first_window_at + timedelta(days=WINDOWS - 1)
    assert trial.gain_over_popular is not None
    assert (trial.learned_anew, trial.on_same_past, trial.champion_reach) == (None, None, None)
    assert trial.reach is not None
    assert trial.reach > 0
    assert trial.generation_ms is not None


async def test_a_champion_that_learned_in_the_same_way_is_not_replayed(filled: str, tmp_path: Path) -> None:
    candidate = await trained(filled, tmp_path)

    trial = await trial_on(filled)(candidate, record_of(candidate), candidate.path)

    assert trial.learned_anew is None
    assert trial.champion_reach == trial.reach


async def test_a_model_that_learns_worse_is_found_out(filled: str, tmp_path: Path) -> None:
    champion = await trained(filled, tmp_path)
    candidate = await trained(filled, tmp_path, k=1, vote_half_life=2000.0, post_half_life=0.0)

    trial = await trial_on(filled)(candidate, record_of(champion), champion.path)

    assert trial.learned_anew is not None
    assert trial.learned_anew.judged == trial.judged
    assert trial.learned_anew.gain.mean < -0.05


async def test_of_the_same_two_the_one_s_gain_is_the_other_s_loss(filled: str, tmp_path: Path) -> None:
    one, other = await trained(filled, tmp_path), await trained(filled, tmp_path, "popular")

    gain = await trial_on(filled).compare(record_of(one, 1), record_of(other, 2))
    loss = await trial_on(filled).compare(record_of(other, 2), record_of(one, 1))

    assert (1 + gain.gain.mean) * (1 + loss.gain.mean) == pytest.approx(1)
    assert (gain.judged, gain.windows) == (loss.judged, WINDOWS)


async def test_weights_are_a_part_of_the_way_a_model_learned(filled: str, tmp_path: Path) -> None:
    candidate = await trained(filled, tmp_path)
    heavier = replace(
        record_of(candidate),
        parameters={**candidate.parameters, "weights": {"view": 1, "click": 1, "like": 5, "share": 1}},
    )

    trial = await trial_on(filled)(candidate, heavier, candidate.path)

    assert trial.learned_anew is not None


async def test_on_the_same_past_the_same_way_learns_what_the_champion_learned(
    filled: str, tmp_path: Path, another_migrated_database_url: str
) -> None:
    await fill(another_migrated_database_url)
    await forget_after(another_migrated_database_url, days=2)
    early = await trained(another_migrated_database_url, tmp_path)
    candidate = await trained(filled, tmp_path)

    trial = await trial_on(filled)(candidate, record_of(early), early.path)

    assert trial.learned_anew is None
    assert trial.on_same_past is not None
    assert trial.on_same_past.windows in {2, 3}
    assert trial.on_same_past.judged > 20
    assert trial.on_same_past.gain == Measured(0.0, 0.0, 0.0)


async def test_what_bots_did_to_the_table_since_the_champion_learned_is_found_out(
    filled: str, tmp_path: Path, another_migrated_database_url: str
) -> None:
    await fill(another_migrated_database_url)
    await forget_after(another_migrated_database_url, days=2)
    sound = await trained(another_migrated_database_url, tmp_path)
    await run(
        filled,
        """
        insert into user_interaction (user_id, post_id, interaction_type, created_at)
        select md5('bot' || bot)::uuid, post_id, 'share', newest - interval '2 days 1 hour'
        from generate_series(1, 300) as bot,
            (select max(created_at) as newest from user_interaction) as moments,
            lateral (select post_id from user_interaction where created_at < newest - interval '2 days 1 hour'
                group by post_id order by md5(bot::text || post_id::text) limit 8) as posts
        """,
    )
    candidate = await trained(filled, tmp_path)

    trial = await trial_on(filled)(candidate, record_of(sound), sound.path)

    assert trial.on_same_past is not None
    assert trial.on_same_past.gain.mean < -0.05


async def test_more_interactions_than_the_limit_are_replayed_for_some_users(filled: str, tmp_path: Path) -> None:
    candidate = await trained(filled, tmp_path)

    whole = await trial_on(filled)(candidate, None, None)
    some = await trial_on(filled, most_interactions=400)(candidate, None, None)
    again = await trial_on(filled, most_interactions=400)(candidate, None, None)

    assert 0 < some.judged < whole.judged
    assert again.metrics == some.metrics


async def test_a_champion_of_an_earlier_program_leaves_the_measures_and_a_reason(filled: str, tmp_path: Path) -> None:
    candidate = await trained(filled, tmp_path)
    early = replace(record_of(candidate), parameters={"n_neighbors": 50})

    trial = await trial_on(filled)(candidate, early, candidate.path)

    assert trial.metrics
    assert trial.problem is not None
    assert "collaborative_filtering_v1 cannot learn anew" in trial.problem
    with pytest.raises(NotTrainable, match="cannot be compared"):
        await trial_on(filled).compare(early, early)


async def test_too_little_memory_for_a_trial_does_not_fail_the_training(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 9 GiB")

    candidate = await trained(filled, tmp_path)
    monkeypatch.setattr(replay_model_trial, "replayed", fail)

    trial = await trial_on(filled)(candidate, None, None)

    assert trial.problem == "there is too little memory to replay (GATE_MOST_INTERACTIONS): Unable to allocate 9 GiB"
    with pytest.raises(NotTrainable, match="too little memory"):
        await trial_on(filled).compare(record_of(candidate), record_of(candidate))


async def test_a_champion_whose_file_is_not_what_it_was_is_left_out(filled: str, tmp_path: Path) -> None:
    candidate = await trained(filled, tmp_path)
    damaged = tmp_path / "damaged.joblib"
    damaged.write_bytes(b"no model")

    trial = await trial_on(filled)(candidate, record_of(candidate), damaged)

    assert trial.champion_reach is None
    assert trial.problem is None


async def test_interactions_of_less_than_a_day_tell_no_quality(migrated_database_url: str, tmp_path: Path) -> None:
    await fill(migrated_database_url)
    await run(migrated_database_url, "delete from user_interaction where created_at > '2026-05-01 20:00'")

    trial = await trial_on(migrated_database_url)(await trained(migrated_database_url, tmp_path), None, None)

    assert trial.problem == "the interactions are of less than a day"
    assert trial.reach is not None


async def test_a_database_that_does_not_answer_is_named(filled: str, tmp_path: Path) -> None:
    candidate = await trained(filled, tmp_path)

    with pytest.raises(ArchiveUnavailable):
        await trial_on("postgresql://nobody@127.0.0.1:1/none")(candidate, None, None)
