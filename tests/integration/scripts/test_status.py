"""`threads-ml status --check`, over real servers."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from core.domain.job import Queue
from core.infrastructure.postgres_pool import open_pool
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_worker_presence import RedisWorkerPresence
from scripts.status import app

_MODEL = """
    insert into model (number, algorithm, parameters, metrics, sha256, size_bytes, status, interaction_count,
        user_count, post_count, data_from, data_up_to, trained_at)
    values (1, 'user_knn', '{}', '{}', '', 0, 'champion', 1, 1, 1, now(), now(), now())
"""


@pytest.fixture(autouse=True)
def _somewhere(migrated_database_url: str, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", migrated_database_url)
    monkeypatch.setenv("BROKER_URL", broker_url)
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _well(migrated_database_url: str, broker_url: str) -> None:
    """A model, popular posts and a worker."""

    async def make_well() -> None:
        async with open_pool(migrated_database_url) as pool, open_redis(broker_url, timeout_seconds=5) as broker:
            await pool.execute(_MODEL)
            await pool.execute("update serving set champion = 1, epoch = 1")
            await pool.execute("insert into popular_feed values (1, '{}', '{}', 1, now())")
            await RedisWorkerPresence(broker, "a-worker").beat(Queue.FEEDS)

    asyncio.run(make_well())


def status(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, env=environment)


@pytest.mark.usefixtures("_well")
def test_a_service_that_is_well_is_one_line_and_exit_code_0() -> None:
    checked = status("--check")

    assert checked.exit_code == 0
    assert checked.stdout == "all is well: 7 figures are within their thresholds\n"


@pytest.mark.usefixtures("_well")
def test_each_threshold_that_is_crossed_is_one_line_and_the_exit_code_is_1() -> None:
    checked = status("--check", CHECK_POPULAR_AGE_SECONDS="0.000001", CHECK_MODEL_AGE_HOURS="0.0000000001")

    assert checked.exit_code == 1
    assert [line.partition(":")[0] for line in checked.stdout.splitlines()] == ["model_age", "popular_age"]


@pytest.mark.usefixtures("_well")
def test_without_redis_it_says_so() -> None:
    checked = status("--check", BROKER_URL="redis://127.0.0.1:1/0")

    names = ["workers", "oldest_message", "backlog", "dead_letters"]
    assert checked.exit_code == 1
    assert [line.partition(": unknown")[0] for line in checked.stdout.splitlines()] == names


def test_json_carries_the_checks_and_ends_with_1_only_if_it_is_asked_to_check() -> None:
    told, checked = status("--json"), status("--json", "--check")

    checks = {check["name"]: check for check in json.loads(told.stdout)["checks"]}
    assert (told.exit_code, checked.exit_code) == (0, 1)
    assert json.loads(checked.stdout).keys() == json.loads(told.stdout).keys()
    assert checks["workers"] == {
        "name": "workers",
        "value": 0,
        "limit": 1,
        "is_crossed": True,
        "says": "workers: 0, at least 1 is well (worker processes alive)",
    }
    assert not checks["backlog"]["is_crossed"]
