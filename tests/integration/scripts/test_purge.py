"""`threads-ml purge`, over real servers."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_pool import open_pool
from scripts.purge import app
from tests.builders import feed_of


@pytest.fixture
def _one_idle_feed(migrated_database_url: str) -> None:
    async def store() -> None:
        async with open_pool(migrated_database_url) as pool:
            archive, now = PostgresFeedArchive(pool), datetime.now(UTC)
            await archive.put(replace(feed_of("gone"), expires_at=now - timedelta(days=8)))
            await archive.put(replace(feed_of("here"), expires_at=now + timedelta(days=1)))

    asyncio.run(store())


@pytest.fixture(autouse=True)
def _somewhere(migrated_database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", migrated_database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_one_idle_feed")
def test_it_tells_first_and_removes_then() -> None:
    told, done, again = (CliRunner().invoke(app, arguments) for arguments in (["--dry-run"], [], []))

    assert told.stdout == "would remove 1 feeds, 0 tickets, 0 runs, 0.0 MB of models (none)\n"
    assert done.stdout == "removed 1 feeds, 0 tickets, 0 runs, 0.0 MB of models (none)\n"
    assert again.stdout == "removed 0 feeds, 0 tickets, 0 runs, 0.0 MB of models (none)\n"


@pytest.mark.usefixtures("_one_idle_feed")
def test_without_redis_the_feeds_go_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    done = CliRunner().invoke(app, [])

    assert (done.exit_code, done.stdout) == (0, "removed 1 feeds, 0 tickets, 0 runs, 0.0 MB of models (none)\n")


def test_without_postgres_it_is_one_line_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@127.0.0.1:1/d")

    done = CliRunner().invoke(app, ["--dry-run"])

    assert done.exit_code == 1
    assert done.stderr.startswith("threads-ml: Postgres does not answer")
