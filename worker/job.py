"""One job: from the message's texts to the use case, and one line in the log."""

import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
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
    with bound_contextvars(user_id=user_id, request_id=request_id), _told("job") as told:
        message = GenerateMessage(UUID(user_id), request_id, tuple(map(UUID, recent_post_ids)))
        try:
            told.update(_outcome(await generate_feed(message)))
        except RunCancelled:
            told["outcome"] = "run_cancelled"
    return str(told["outcome"])


async def run_chunk_job(generate_chunk: GenerateChunk, chunk_id: str, request_id: str) -> str:
    """The same for a chunk of a run."""
    with bound_contextvars(chunk_id=chunk_id, request_id=request_id), _told("chunk") as told:
        count = await generate_chunk(ChunkMessage(UUID(chunk_id), request_id))
        outcome = "nothing_to_do" if count is None else "chunk_stored"
        told.update(outcome=outcome, feeds=count or 0)
    return outcome


async def run_batch(renew_together: RenewBatch, user_ids: Sequence[UUID]) -> Collection[UUID]:
    """The same for users whose feeds are renewed together."""
    with _told("batch", users=len(user_ids)) as told:
        renewed = await renew_together(user_ids)
        told["feeds"] = len(renewed)
    return renewed


@contextmanager
def _told(name: str, **words: Any) -> Iterator[dict[str, Any]]:
    """One line for what is done inside the block, with the words and in how long; one for its failure."""
    started = time.perf_counter()
    try:
        yield words
    except Exception as error:
        duration_ms = _milliseconds_since(started)
        structlog.get_logger().warning(f"{name}_failed", **words, error=repr(error), duration_ms=duration_ms)
        raise
    structlog.get_logger().info(f"{name}_done", **words, duration_ms=_milliseconds_since(started))


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
