"""A run begins with the model that serves, or not at all."""

from dataclasses import replace

import pytest

from core.domain.errors import InvalidInput, NotFound, RunActive
from core.domain.run import RunKind
from tests.builders import model_record_of
from tests.unit.core.application.runs import EVERYBODY, BulkStage, user


async def test_the_run_says_which_model_served_and_popular_posts_are_renewed() -> None:
    stage = BulkStage()

    run = await stage.start_run(EVERYBODY, "anna")

    assert run.request == replace(EVERYBODY, model_version="collaborative_filtering_v1")
    assert stage.popular.refresh_count == 1


async def test_the_model_that_serves_may_be_named() -> None:
    run = await BulkStage().start_run(replace(EVERYBODY, model_version="v1"), "anna")

    assert run.request.model_version == "collaborative_filtering_v1"


@pytest.mark.parametrize(
    ("model", "error", "says"),
    [
        ("v9", NotFound, "no model collaborative_filtering_v9"),
        ("v2", InvalidInput, "collaborative_filtering_v2 does not serve, collaborative_filtering_v1 does"),
        ("nonsense", InvalidInput, "not a model version"),
    ],
)
async def test_another_model_is_refused_and_nothing_is_begun(model: str, error: type[Exception], says: str) -> None:
    stage = BulkStage()
    stage.registry.models[2] = model_record_of(2)

    with pytest.raises(error, match=says):
        await stage.start_run(replace(EVERYBODY, model_version=model), "anna")

    assert stage.ledger.runs == {}


async def test_of_earlier_runs_the_latest_is_found_of_which_the_same_was_asked() -> None:
    stage = BulkStage()
    await stage.start_run(EVERYBODY, "anna")
    since = await stage.ledger.moment()
    first = await stage.start_run(EVERYBODY, "anna", beside_others=True)
    second = await stage.start_run(EVERYBODY, "anna", beside_others=True)
    await stage.start_run(replace(EVERYBODY, limit=3), "anna", beside_others=True)

    assert await stage.start_run.begun_since(EVERYBODY, since) == second
    assert await stage.start_run.begun_since(EVERYBODY, first.started_at) == second
    assert await stage.start_run.begun_since(EVERYBODY, await stage.ledger.moment()) is None
    assert await stage.start_run.begun_since(replace(EVERYBODY, within_days=3), since) is None


async def test_a_run_for_an_older_model_is_not_what_was_asked_for() -> None:
    stage = BulkStage()
    since = await stage.ledger.moment()
    await stage.start_run(EVERYBODY, "anna")
    stage.registry.models[2], stage.registry.champion = model_record_of(2), 2

    assert await stage.start_run.begun_since(EVERYBODY, since) is None


async def test_a_second_run_is_refused_unless_it_may_stand_beside_others() -> None:
    stage = BulkStage()
    await stage.start_run(EVERYBODY, "anna")

    with pytest.raises(RunActive):
        await stage.start_run(EVERYBODY, "ben")
    await stage.start_run(EVERYBODY, "ben", beside_others=True)

    assert len(stage.ledger.runs) == 2


async def test_named_users_count_once_each_up_to_the_limit() -> None:
    request = replace(EVERYBODY, kind=RunKind.NAMED_USERS, limit=2)

    run = await BulkStage().start_run(request, "anna", [user(3), user(1), user(3), user(2)])

    assert (run.counts.users, run.is_enumerated) == (2, True)
