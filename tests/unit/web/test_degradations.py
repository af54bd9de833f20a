from core.domain.model import Serving
from tests.builders import Stage
from web.degradations import FindDegradations


async def degradations(stage: Stage, *missing: str) -> list[str]:
    return await FindDegradations(stage.cache, stage.queue, stage.registry, missing)()


async def test_before_the_first_training_there_is_no_model() -> None:
    assert await degradations(Stage()) == ["model: none yet"]


async def test_without_a_worker_that_is_told() -> None:
    stage = Stage()
    stage.stop_workers()

    assert await degradations(stage) == ["workers: none alive", "model: none yet"]


async def test_a_server_that_does_not_answer_is_named() -> None:
    stage = Stage()
    stage.stop_redis()
    stage.stop_postgres()

    assert await degradations(stage) == ["redis: unreachable", "queue: unreachable", "postgres: unreachable"]


async def test_a_setting_that_is_missing_is_named() -> None:
    stage = Stage()
    stage.stop_redis()

    assert await degradations(stage, "REDIS_URL", "BROKER_URL") == [
        "redis: REDIS_URL is not set",
        "queue: neither BROKER_URL nor REDIS_URL is set",
        "model: none yet",
    ]


async def test_a_pin_to_a_model_that_does_not_exist_is_told() -> None:
    stage = Stage()
    stage.registry.pin = 9

    found = await degradations(stage)

    assert found == ["model: MODEL_PIN names collaborative_filtering_v9, which does not exist"]


async def test_when_all_is_well_there_is_nothing_to_tell() -> None:
    stage = Stage()

    async def serve() -> Serving:
        return Serving(model=object(), epoch=1)  # type: ignore[arg-type] # which model does not matter here

    stage.registry.serving = serve  # type: ignore[method-assign] # the same

    assert await degradations(stage) == []
