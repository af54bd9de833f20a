"""`threads-ml enqueue` and `threads-ml runs` on real servers: whoever is killed, everybody gets one feed of the run."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from typer.testing import CliRunner, Result

from core.application.find_feed import FindFeed
from core.domain.job import Queue
from core.domain.run import RunCounts, RunKind, RunRequest, RunState
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_pool import Pool
from core.infrastructure.postgres_run_ledger import PostgresRunLedger
from core.infrastructure.redis_feed_cache import RedisFeedCache
from core.infrastructure.redis_job_queue import RedisJobQueue
from core.infrastructure.system_clock import SystemClock
from scripts.enqueue_active_users import app as enqueue_app
from scripts.runs import app as runs_app
from tests.fakes.cached_users import FakeCachedUsers
from tests.fakes.seen_posts import FakeSeenPosts
from tests.fakes.stale_models import FakeStaleModels
from tests.integration.conftest import Servers

ROOT = Path(__file__).parents[3]
APPS = {"enqueue": enqueue_app, "runs": runs_app}
WITHIN_SECONDS = 90
USERS = [UUID(int=number << 64 | 7) for number in range(1, 41)]
_INTERACT = "insert into user_interaction (user_id, post_id, interaction_type, created_at) values ($1, $2, 'like', $3)"


@dataclass(frozen=True)
class Service:
    """Forty users with five posts each, and the environment that names the servers. stored: the cache's own client."""

    pool: Pool
    ledger: PostgresRunLedger
    queue: RedisJobQueue
    cache: RedisFeedCache
    stored: Any
    broker: Any
    environment: dict[str, str]
    folder: Path

    def start(self, module: str, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    async def run(self, command: str, *arguments: str, **environment: str) -> Result:
        """The command in a thread of this process, which has loaded everything already."""
        environment = {**self.environment, **environment}
        arguments = *arguments, "--data-dir", str(self.folder)
        return await asyncio.to_thread(CliRunner().invoke, APPS[command], arguments, env=environment)

    @contextmanager
    def worker(self) -> Iterator["subprocess.Popen[str]"]:
        worker = self.start("worker", "--queue", "feeds-bulk", METRICS_PORT="0", WORKER_THREADS="2")
        draining = asyncio.ensure_future(asyncio.to_thread(worker.communicate))
        try:
            yield worker
        finally:
            kill(worker)
            draining.cancel()

    async def counted(self) -> tuple[int, int]:
        """Feeds of users, and how many were drawn from the ledger."""
        feeds = await self.pool.fetchval("select count(*) from feed where user_id = any($1)", USERS)
        return feeds, await self.pool.fetchval("select coalesce(sum(stored + kept), 0) from run_chunk")

    async def run_id(self) -> UUID:
        (run,) = await self.ledger.latest(1)
        return run.id


def kill(process: "subprocess.Popen[str]") -> None:
    """With all that it has started, and no time to say goodbye."""
    if process.poll() is None:
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()


@pytest.fixture
async def service(servers: Servers, tmp_path: Path) -> Service:
    now = datetime.now(UTC).replace(tzinfo=None)
    acts = [
        (user_id, UUID(int=5000 + (number + place) % 50), now)
        for number, user_id in enumerate(USERS)
        for place in range(5)
    ]
    await servers.pool.executemany(_INTERACT, acts)
    ledger, queue, cache = PostgresRunLedger(servers.pool), RedisJobQueue(servers.broker), RedisFeedCache(servers.cache)
    return Service(servers.pool, ledger, queue, cache, servers.cache, servers.broker, servers.environment, tmp_path)


async def until(condition: Any, what: str) -> None:
    """Look again and again at a real condition, until a deadline that says what was waited for."""
    deadline = asyncio.get_running_loop().time() + WITHIN_SECONDS
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain until {what}"
        await asyncio.sleep(0.05)


async def test_everybody_gets_one_feed_and_the_ledger_tells_of_it(service: Service) -> None:
    enqueued = await service.run("enqueue", "--all", "--wait", "--chunk", "7")
    listed = await service.run("runs", "list", "--json")
    shown = await service.run("runs", "show", str(await service.run_id()))

    (run,) = json.loads(listed.stdout)
    assert enqueued.exit_code == 0, enqueued.stderr
    assert "40 users have a new feed" in enqueued.stdout
    assert await service.counted() == (40, 40)
    assert all([await service.cache.get(user_id) for user_id in USERS])
    assert (run["state"], run["counts"]["stored"]) == ("completed", 40)
    assert json.loads(shown.stdout) == run | {"users_set_aside": []}


async def test_chunks_of_one_are_followed_by_the_feeds_that_come_of_them(service: Service) -> None:
    enqueued = await service.run("enqueue", "--all", "--wait", "--chunk", "1")

    assert enqueued.exit_code == 0, enqueued.stderr
    assert await service.counted() == (40, 40)


async def kill_in_the_middle(service: Service, *options: str) -> None:
    """An `enqueue` with these options, when it has some users and not all."""
    script = service.start("scripts.cli", "enqueue", *options)

    async def is_in_the_middle() -> bool:
        runs = await service.ledger.latest(1)
        return bool(runs) and 4 <= runs[0].counts.users < 40

    await until(is_in_the_middle, "some users are enqueued")
    kill(script)
    script.communicate()


async def test_a_script_killed_in_the_middle_of_its_enumeration_is_resumed(service: Service) -> None:
    await kill_in_the_middle(service, "--all", "--chunk", "2", "--rate", "4")
    (half,) = await service.ledger.latest(1)
    resumed = await service.run("enqueue", "--resume", str(half.id), "--wait")

    assert not half.is_enumerated
    assert resumed.exit_code == 0, resumed.stderr
    assert await service.counted() == (40, 40)
    assert await service.pool.fetchval("select count(*) from run_chunk where state = 'done'") == 20


async def test_a_worker_killed_in_the_middle_of_a_chunk_leaves_nothing_half_done(service: Service) -> None:
    await service.run("enqueue", "--all", "--chunk", "40")
    # The lock keeps the chunk's transaction from its end for as long as the test wants.
    async with service.pool.acquire() as connection:
        blocking = connection.transaction()
        await blocking.start()
        await connection.execute("lock table feed in access exclusive mode")
        with service.worker() as worker:
            attempts = "select coalesce(max(attempts), 0) from run_chunk"
            await until(lambda: service.pool.fetchval(attempts), "a worker has begun with the chunk")
            kill(worker)
        await blocking.rollback()
    before = await service.counted()
    resumed = await service.run("enqueue", "--resume", str(await service.run_id()), "--wait")

    assert before == (0, 0)
    assert resumed.exit_code == 0, resumed.stderr
    assert await service.counted() == (40, 40)


async def test_what_a_wiped_redis_has_lost_is_enqueued_anew(service: Service) -> None:
    await service.run("enqueue", "--all", "--chunk", "8")
    await service.broker.flushdb()
    emptied = (await service.queue.depths())[Queue.FEEDS_BULK]
    # As if that had been a minute ago: sweepers leave alone what may still be under way.
    await service.pool.execute("update run_chunk set enqueued_at = now() - interval '1 minute'")

    async def is_over() -> bool:
        return await service.ledger.settle(await service.run_id())

    with service.worker():
        await until(is_over, "the sweeper has found the chunks")

    assert emptied == 0
    assert await service.counted() == (40, 40)


async def test_of_two_who_go_on_with_a_run_both_see_its_end(service: Service) -> None:
    script = service.start("scripts.cli", "enqueue", "--all", "--chunk", "2", "--rate", "4", "--wait")

    async def has_begun() -> bool:
        runs = await service.ledger.latest(1)
        return bool(runs) and runs[0].counts.users >= 4

    await until(has_begun, "some users are enqueued")
    second = await service.run("enqueue", "--resume", str(await service.run_id()), "--wait")
    stdout, stderr = await asyncio.to_thread(script.communicate)

    assert (second.exit_code, script.returncode) == (0, 0), second.stderr + stderr
    assert "40 users have a new feed" in second.stdout
    assert "40 users have a new feed" in stdout
    assert await service.counted() == (40, 40)


async def test_a_run_that_is_cancelled_meanwhile_is_told_so(service: Service) -> None:
    script = service.start("scripts.cli", "enqueue", "--all", "--chunk", "2", "--rate", "4", "--wait")

    async def has_begun() -> bool:
        return (await service.counted())[0] >= 4

    await until(has_begun, "some feeds are there")
    await service.run("runs", "cancel", str(await service.run_id()))
    _, stderr = await asyncio.to_thread(script.communicate)

    assert script.returncode == 1
    assert re.search(rf"run {await service.run_id()} was cancelled: \d+ of \d+ users are done", stderr)


async def test_who_loses_postgres_while_a_run_is_watched_is_told_how_to_go_on(service: Service) -> None:
    script = service.start("scripts.cli", "enqueue", "--all", "--chunk", "2", "--rate", "4", "--wait")

    async def has_begun() -> bool:
        return (await service.counted())[0] >= 4

    await until(has_begun, "some feeds are there")
    run_id = await service.run_id()
    await service.pool.execute("alter table run rename to run_away")
    _, stderr = await asyncio.to_thread(script.communicate)
    await service.pool.execute("alter table run_away rename to run")

    assert script.returncode == 1
    assert stderr.rstrip().endswith(f"run {run_id} is not over: --resume {run_id} goes on with it")


async def test_a_cancelled_run_makes_no_feeds(service: Service) -> None:
    await service.run("enqueue", "--all")
    run_id = str(await service.run_id())

    cancelled, again = await service.run("runs", "cancel", run_id), await service.run("runs", "cancel", run_id)
    resumed = await service.run("enqueue", "--resume", run_id)

    assert cancelled.exit_code == 0
    assert (again.exit_code, again.stderr) == (1, f"threads-ml: run {run_id} is over already (cancelled)\n")
    assert (resumed.exit_code, resumed.stderr) == (
        1,
        f"threads-ml: run {run_id} is over (cancelled): begin a new one\n",
    )


async def test_the_messages_of_a_cancelled_run_are_worked_off_and_make_no_feeds(service: Service) -> None:
    await service.run("enqueue", "--all", "--chunk", "1")
    await service.run("runs", "cancel", str(await service.run_id()))
    waiting = (await service.queue.depths())[Queue.FEEDS_BULK]

    async def is_empty() -> bool:
        return (await service.queue.depths())[Queue.FEEDS_BULK] == 0

    with service.worker():
        await until(is_empty, "the worker has taken all messages")

    assert waiting == 40
    assert await service.counted() == (0, 0)


async def test_a_cache_that_is_wiped_in_the_middle_of_a_run_costs_no_feed(service: Service) -> None:
    script = service.start("scripts.cli", "enqueue", "--all", "--chunk", "4", "--rate", "10")

    async def is_in_the_middle() -> bool:
        return 8 <= (await service.counted())[0] < 40

    async def is_over() -> bool:
        return await service.ledger.settle(await service.run_id())

    with service.worker():
        await until(is_in_the_middle, "some feeds are there")
        await service.stored.flushdb()
        await until(is_over, "the run is over")
    script.communicate()
    left = [await service.cache.get(user_id) for user_id in USERS]
    archive = PostgresFeedArchive(service.pool)
    seen_posts = FakeSeenPosts()
    users = FakeCachedUsers(service.cache, seen_posts)
    find_feed = FindFeed(users, service.cache, seen_posts, archive, FakeStaleModels(), SystemClock())
    found = [await find_feed(user_id) for user_id in USERS]

    assert await service.counted() == (40, 40)
    assert 0 < sum(feed is not None for feed in left) < 40
    assert [one.feed.user_id for one in found if one and one.is_fresh] == USERS


async def test_a_rate_lets_no_job_of_more_than_a_second_through_at_once(service: Service) -> None:
    script = service.start("scripts.cli", "enqueue", "--all", "--rate", "3")

    async def has_begun() -> bool:
        return bool(await service.ledger.latest(1)) and (await service.ledger.latest(1))[0].counts.users > 0

    await until(has_begun, "the first users are enqueued")
    kill(script)
    script.communicate()

    assert (await service.ledger.latest(1))[0].request.chunk_size == 3
    assert await service.pool.fetchval("select max(cardinality(user_ids)) from run_chunk") == 3


async def test_a_users_file_may_begin_as_windows_writes_it(service: Service) -> None:
    users = service.folder / "users.txt"
    users.write_bytes(f"\ufeff{USERS[0]}\r\n{USERS[1]}\r\n".encode())

    enqueued = await service.run("enqueue", "--users", str(users))

    assert enqueued.exit_code == 0, enqueued.stderr
    assert await service.pool.fetchval("select user_ids from run_chunk") == USERS[:2]


async def test_a_named_user_without_history_has_no_feed_and_is_no_failure(service: Service) -> None:
    users = service.folder / "users.txt"
    users.write_text("\n".join(map(str, USERS[:3])) + "\nnobody-knows-me\n")

    real = await service.run("enqueue", "--users", str(users), "--wait", "--chunk", "1")

    (run,) = await service.ledger.latest(1)
    assert real.exit_code == 0, real.stderr
    assert "3 users have a new feed" in real.stdout
    assert (run.state, run.counts) == (RunState.COMPLETED, RunCounts(users=4, stored=3, without_feed=1))


async def test_users_of_a_file_and_a_dry_run(service: Service) -> None:
    users = service.folder / "users.txt"
    users.write_text("\n".join(map(str, USERS[:3])) + "\nnobody-knows-me\n\n")

    dry = await service.run("enqueue", "--users", str(users), "--dry-run")
    begun = await service.ledger.latest(1)
    real = await service.run("enqueue", "--users", str(users), "--wait")

    assert re.match(r"4 users in 1 jobs; about", dry.stdout)
    assert "no run has been completed yet" in dry.stdout
    assert begun == []
    assert real.exit_code == 0, real.stderr
    assert "3 users have a new feed" in real.stdout
    assert await service.pool.fetchval("select count(*) from feed") == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--days", "0"], "--days 0 is wrong"),
        (["--chunk", "0"], "--chunk 0 is wrong"),
        (["--chunk", "100000"], "--chunk 100000 is wrong: a number from 1 to 10,000 is expected"),
        (["--days", "2147483647"], "--days 2147483647 is wrong: a number from 1 to 36,500 is expected"),
        (["--limit", "0"], "--limit 0 is wrong"),
        (["--rate", "0"], "--rate 0 is wrong"),
        (["--rate", "1e-300"], "--rate 1e-300 is wrong"),
        (["--rate", "nan"], "--rate nan is wrong"),
        (["--rate", "5", "--resume", "x"], "--rate and --resume exclude each other"),
        (["--chunk", "5", "--resume", "x"], "--chunk and --resume exclude each other"),
        (["--once-since", "2026-11-24T03:00:00Z", "--resume", "x"], "--once-since and --resume exclude each other"),
        (["--once-since", "2026-11-24T03:00:00Z", "--users", "x.txt"], "--users and --once-since exclude each other"),
        (["--dry-run", "--resume", "x"], "--dry-run and --resume exclude each other"),
        (["--all", "--days", "3"], "--days and --all exclude each other"),
        (["--model", "v9"], "there is no model collaborative_filtering_v9"),
        (["--resume", "11111111-1111-1111-1111-111111111111"], "there is no run 11111111"),
        (["--resume", "rubbish"], "there is no run rubbish"),
        (["--users", "missing.txt"], "missing.txt cannot be read"),
        (["--users", "rubbish.txt"], "no user ids in lines 2, 4"),
        (["--users", "empty.txt"], "empty.txt names no users"),
    ],
)
async def test_what_cannot_be_is_said_in_one_line_and_nothing_is_begun(
    service: Service, arguments: Sequence[str], says: str
) -> None:
    (service.folder / "rubbish.txt").write_text("anna\nbe\0n\ncleo\nid,name\n")
    (service.folder / "empty.txt").write_text("\n\n")

    named = [str(service.folder / one) if one.endswith(".txt") else one for one in arguments]
    refused = await service.run("enqueue", *named)

    assert refused.exit_code == 1
    assert says in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert await service.ledger.latest(1) == []
    assert (await service.queue.depths())[Queue.FEEDS_BULK] == 0


async def test_a_second_run_is_refused_naming_the_first(service: Service) -> None:
    first = await service.ledger.begin_run(RunRequest(RunKind.ACTIVE_USERS), "anna")

    refused = await service.run("enqueue", "--all")
    forced = await service.run("enqueue", "--all", "--force")

    assert (refused.exit_code, refused.stderr) == (
        1,
        f"threads-ml: run {first.id} is still active, begun by anna: wait, cancel it, or use --force\n",
    )
    assert forced.exit_code == 0


async def test_what_was_begun_since_a_moment_is_gone_on_with_once(service: Service) -> None:
    tick = (await service.ledger.moment()).isoformat(timespec="seconds")
    await kill_in_the_middle(service, "--once-since", tick, "--rate", "4", "--chunk", "2")
    same = ("enqueue", "--once-since", tick, "--rate", "4", "--chunk", "2")
    other = await service.run(*same[:3])
    again = await service.run(*same, "--wait")
    afterwards = await service.run(*same)

    assert (other.exit_code, again.exit_code) == (1, 0), again.stderr
    assert "is still active" in other.stderr
    assert afterwards.stdout == f"run {await service.run_id()} is over (completed): nothing is left to do\n"
    assert await service.counted() == (40, 40)
    assert len(await service.ledger.latest(10)) == 1


@pytest.mark.parametrize("variable", ["DATABASE_URL", "BROKER_URL"])
async def test_a_server_that_is_down_is_said_in_one_line(service: Service, variable: str) -> None:
    url = "postgresql://u:p@127.0.0.1:1/d" if variable == "DATABASE_URL" else "redis://127.0.0.1:1/0"

    refused = await service.run("enqueue", "--all", **{variable: url})

    assert refused.exit_code == 1
    assert len(refused.stderr.splitlines()) == 1
    assert await service.ledger.latest(1) == []
