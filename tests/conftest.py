"""Real servers for every test: one PostgreSQL and one Valkey a process, an empty database of each a test."""

import asyncio
import hashlib
import itertools
import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis
from hypothesis import settings

from core.infrastructure.embedded_postgres import EmbeddedPostgres
from core.infrastructure.embedded_valkey import EmbeddedValkey

VALKEY_DATABASES = 64
LEAST_BRANCH_COVERAGE = 85.0
ORDINARY = "not slow"  # as pyproject.toml has it
PROCESSES_AT_MOST = 8  # of 700 MB each, with its own servers


def pytest_configure(config: pytest.Config) -> None:
    """Hold the whole run, and no part of it, to the least coverage; keep compiled code for the processes of tests."""
    _keep_compiled_code(config.rootpath)
    # Each run would cost ten seconds; those of the tracker itself are tracked all the same.
    os.environ.setdefault("TRACK_RUNS", "false")
    settings.register_profile("untimed", deadline=None)  # how busy the machine is says nothing about the code
    settings.load_profile("untimed")
    coverage = config.pluginmanager.getplugin("_cov")
    if coverage is not None and _is_whole(config):
        coverage.options.cov_fail_under = LEAST_BRANCH_COVERAGE


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Share the whole run out, more ways than there are cores as many tests wait; a part of it is not worth it."""
    return min((os.cpu_count() or 1) + 1, PROCESSES_AT_MOST) if _is_whole(config) else 0


def _is_whole(config: pytest.Config) -> bool:
    is_selection = config.option.keyword or config.option.markexpr != ORDINARY or config.option.collectonly
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not is_selection


def _keep_compiled_code(root: Path) -> None:
    """In the run's own cache, whatever the environment says: hundreds of processes would compile the same again."""
    cache = root / ".pytest_cache"
    sources = sorted((root / "core" / "recommender").glob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache / "machine_code" / digest))
    sys.pycache_prefix = os.environ.setdefault("PYTHONPYCACHEPREFIX", str(cache / "bytecode"))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="threads-ml-tests-") as folder:
        Path(folder).chmod(0o711)  # the folder is ours; started by root, PostgreSQL's own user passes through it
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server(servers_folder: Path) -> Iterator[EmbeddedPostgres]:
    """Started and stopped on loops of their own: the server outlives the event loop of each test."""
    server = EmbeddedPostgres(servers_folder / "postgres", durable=False)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(scope="session")
def valkey_server(servers_folder: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(servers_folder / "valkey", databases=VALKEY_DATABASES)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
def database_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """An empty database."""
    yield from _database(postgres_server.url, template="template0")


@pytest.fixture(scope="session")
def migrated_template(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """The name of a database that has the project's schema, to be cloned."""
    from core.infrastructure.alembic_migrations import migrate

    for url in _database(postgres_server.url, template="template0"):
        asyncio.run(migrate(url))
        yield url.rpartition("/")[2]


@pytest.fixture
def migrated_database_url(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """A database that has the project's schema and no rows."""
    yield from _database(postgres_server.url, template=migrated_template)


@pytest.fixture
def another_migrated_database_url(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """A second one, for what two tables must tell apart."""
    yield from _database(postgres_server.url, template=migrated_template)


@pytest.fixture(scope="session")
def next_valkey_pair() -> Callable[[], tuple[int, int]]:
    """Numbers of two Valkey databases, every pair in turn, so that what one test left running meets no other."""
    pairs = itertools.cycle((number, number + 1) for number in range(0, VALKEY_DATABASES, 2))
    return lambda: next(pairs)


@pytest.fixture
def valkey_pair(
    valkey_server: EmbeddedValkey, next_valkey_pair: Callable[[], tuple[int, int]]
) -> Iterator[tuple[str, str]]:
    first, second = next_valkey_pair()
    urls = valkey_server.url(first), valkey_server.url(second)
    _flush(urls)
    yield urls
    _flush(urls)


@pytest.fixture
def redis_url(valkey_pair: tuple[str, str]) -> str:
    """An empty Redis database for feeds."""
    return valkey_pair[0]


@pytest.fixture
def broker_url(valkey_pair: tuple[str, str]) -> str:
    """An empty Redis database for the queue."""
    return valkey_pair[1]


def _database(server_url: str, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(_execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield f"{server_url.rpartition('/')[0]}/{name}"
    asyncio.run(_execute(server_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection: Any = await asyncpg.connect(url, ssl=False)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _flush(urls: tuple[str, str]) -> None:
    for url in urls:
        with redis.Redis.from_url(url) as client:
            client.flushdb()
