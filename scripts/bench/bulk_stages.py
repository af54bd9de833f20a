"""What each step of a chunk takes when nothing else runs: the use case itself, with a stopwatch on its ports."""

import asyncio
import inspect
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

from core.application.compose_feeds import ComposeFeeds
from core.application.generate_chunk import GenerateChunk
from core.application.give_way import GiveWay
from core.application.ports.popular_posts import HeldPopularFeed
from core.domain.job import ChunkMessage
from core.domain.run import RunKind, RunRequest
from core.infrastructure.array_pages import rendered_by_arrays
from core.infrastructure.data_directory import RunningServers
from core.infrastructure.held_hidden_posts import HeldHiddenPosts
from core.infrastructure.in_memory_recommender import InMemoryRecommender
from core.infrastructure.key_rows import rows_of_keys
from core.infrastructure.postgres_external_ids import PostgresExternalIds
from core.infrastructure.postgres_history_batches import PostgresHistoryBatches
from core.infrastructure.postgres_pool import Pool
from core.infrastructure.postgres_post_states import PostgresPostStates
from core.infrastructure.postgres_run_ledger import PostgresRunLedger
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_cache import RedisFeedCache
from core.infrastructure.redis_job_queue import RedisJobQueue
from core.infrastructure.redis_queue_levels import RedisQueueLevels
from core.infrastructure.system_clock import SystemClock
from core.settings import Settings

CHUNK_SIZE = 500
TIMEOUT_SECONDS = 60.0
_MICROSECONDS = 1e6


class _Timed:
    """A port whose calls are counted by the clock; what it does not await it hands through."""

    def __init__(self, port: Any, name: str, spent: defaultdict[str, float]) -> None:
        self._port, self._name, self._spent = port, name, spent

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._port, attribute)
        if not inspect.iscoroutinefunction(found):
            return found

        async def timed(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return await found(*arguments, **named)
            finally:
                self._spent[self._name] += time.perf_counter() - began

        return timed


async def microseconds_by_stage(
    servers: RunningServers,
    pool: Pool,
    recommender: InMemoryRecommender,
    popular: HeldPopularFeed,
    user_ids: Sequence[UUID],
) -> dict[str, float]:
    """Of a user, chunk after chunk by one process and one thread: history, kernel, composing, Postgres, Redis, rest."""
    settings, spent = Settings(), defaultdict[str, float](float)
    async with AsyncExitStack() as stack:
        cache = await stack.enter_async_context(open_redis(servers.redis_url, timeout_seconds=TIMEOUT_SECONDS))
        broker = await stack.enter_async_context(open_redis(servers.broker_url, timeout_seconds=TIMEOUT_SECONDS))
        hidden_posts = await stack.enter_async_context(HeldHiddenPosts(PostgresPostStates(pool)))
        ledger = PostgresRunLedger(pool)
        compose_feeds = ComposeFeeds(
            histories=_Timed(PostgresHistoryBatches(pool), "history", spent),
            recommender=_Timed(recommender, "compose", spent),
            popular=popular,
            hidden_posts=hidden_posts,
            external_ids=_Timed(PostgresExternalIds(pool), "texts", spent),
            clock=SystemClock(),
            composition=settings.composition,
            valid_for=timedelta(hours=settings.recommendation_max_age_hours),
        )
        generate_chunk = GenerateChunk(
            ledger=_Timed(ledger, "postgres", spent),
            give_way=GiveWay(_Timed(RedisQueueLevels(broker), "queue", spent)),
            compose_feeds=compose_feeds,
            cache=_Timed(RedisFeedCache(cache, settings.recommendation_batch_size, rendered_by_arrays), "redis", spent),
            queue=RedisJobQueue(broker),
        )
        request = RunRequest(kind=RunKind.NAMED_USERS, chunk_size=CHUNK_SIZE)
        run = await ledger.begin_run(request, "bench", user_ids, beside_others=True)
        chunks = await ledger.take_open(run, None, len(user_ids))
        await _kernel_seconds(pool, recommender, settings.feed_depth, chunks[0].user_ids)  # the model is mapped then
        kernel, whole = 0.0, 0.0
        for chunk in chunks:
            kernel += await _kernel_seconds(pool, recommender, settings.feed_depth, chunk.user_ids)
            began = time.perf_counter()
            await generate_chunk(ChunkMessage(chunk.id, run.request_id))
            whole += time.perf_counter() - began
    spent["rest"] = whole - sum(spent.values())
    spent["kernel"], spent["compose"] = kernel, spent["compose"] - kernel
    return {stage: _MICROSECONDS * seconds / len(user_ids) for stage, seconds in spent.items()}


async def _kernel_seconds(pool: Pool, recommender: InMemoryRecommender, depth: int, user_ids: Sequence[UUID]) -> float:
    """Of the same users, by one thread."""
    model = recommender.loaded_model
    if model is None:
        return 0.0
    histories = await PostgresHistoryBatches(pool).read(user_ids)
    rows = rows_of_keys(model.post_keys, histories.post_keys)
    began = time.perf_counter()
    await asyncio.to_thread(model.rank_arrays, histories, rows, depth)
    return time.perf_counter() - began
