"""One job: from the message's texts to the use case, and one line in the log."""

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any
from uuid import UUID

import structlog
from structlog.contextvars import bound_contextvars

from core.application.generate_chunk import GenerateChunk
from core.application.renew_due_feeds import RenewBatch
from core.domain.errors import RunCancelled
from core.domain.feed import Feed
from core.domain.job import ChunkMessage, GenerateMessage

Generate = Callable[[GenerateMessage], Awaitable[Feed | None]]


async def run_job(generate_feed: Generate, user_id: str, request_id: str, recent_post_ids: Sequence[str] = ()) -> str:
    """Whose feed, for which request, by which model, in how long; an error is logged and goes on to be retried.

    The outcome, for whoever counts.
    """
    started = time.perf_counter()
    with bound_contextvars(user_id=user_id, request_id=request_id):
        try:
            message = GenerateMessage(UUID(user_id), request_id, tuple(map(UUID, recent_post_ids)))
            told = _outcome(await generate_feed(message))
        except RunCancelled:
            told = {"outcome": "run_cancelled"}
        except Exception as error:
            structlog.get_logger().warning("job_failed", error=repr(error), duration_ms=_milliseconds_since(started))
            raise
        structlog.get_logger().info("job_done", duration_ms=_milliseconds_since(started), **told)
        return str(told["outcome"])


async def run_chunk_job(generate_chunk: GenerateChunk, chunk_id: str, request_id: str) -> str:
    """The same for a chunk of a run."""
    started = time.perf_counter()
    with bound_contextvars(chunk_id=chunk_id, request_id=request_id):
        try:
            count = await generate_chunk(ChunkMessage(UUID(chunk_id), request_id))
        except Exception as error:
            structlog.get_logger().warning("chunk_failed", error=repr(error), duration_ms=_milliseconds_since(started))
            raise
        outcome = "nothing_to_do" if count is None else "chunk_stored"
        duration_ms = _milliseconds_since(started)
        structlog.get_logger().info("chunk_done", outcome=outcome, feeds=count or 0, duration_ms=duration_ms)
        return outcome


async def run_batch(renew_together: RenewBatch, user_ids: Sequence[UUID]) -> Collection[UUID]:
    """The same for users whose feeds are renewed together."""
    started = time.perf_counter()
    try:
        renewed = await renew_together(user_ids)
    except Exception as error:
        duration_ms = _milliseconds_since(started)
        structlog.get_logger().warning("batch_failed", users=len(user_ids), error=repr(error), duration_ms=duration_ms)
        raise
    structlog.get_logger().info(
        "batch_done", users=len(user_ids), feeds=len(renewed), duration_ms=_milliseconds_since(started)
    )
    return renewed


def _outcome(feed: Feed | None) -> dict[str, Any]:
    if feed is None:
        return {"outcome": "no_history"}
    return {
        "outcome": "feed_stored",
        "model_version": feed.model_version,
        "epoch": feed.order.epoch,
        "generation": feed.order.generation,
        "recommendations": len(feed.recommendations),
    }


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
