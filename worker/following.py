"""What a worker process does besides jobs: it follows the interactions, in turn with the others."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from core.application.follow_interactions import FollowInteractions
from core.domain.errors import ThreadsMlError
from core.infrastructure.postgres_interaction_alarm import PostgresInteractionAlarm
from core.infrastructure.task_ending import end_task

HEAL_SECONDS = 30.0
# Statements that come thick and fast are read together.
PAUSE_SECONDS = 0.2
# Of a slow database no more than a sixth of the time is taken.
REST_SHARE = 5


@asynccontextmanager
async def following(
    follow: FollowInteractions, alarm: PostgresInteractionAlarm, poll_seconds: float
) -> AsyncIterator[None]:
    """Look every so many seconds, at once where the alarm rings, and heal now and again, inside the block."""
    async with alarm:
        task = asyncio.create_task(_follow(follow, alarm, poll_seconds))
        try:
            yield
        finally:
            await end_task(task)


async def _follow(follow: FollowInteractions, alarm: PostgresInteractionAlarm, poll_seconds: float) -> None:
    heal_at = time.monotonic()
    while True:
        began = time.monotonic()
        if began >= heal_at and await _done(follow, is_healing=True):
            heal_at = began + HEAL_SECONDS
        else:
            await _done(follow)
        pause_seconds = max(min(PAUSE_SECONDS, poll_seconds), REST_SHARE * (time.monotonic() - began))
        await asyncio.sleep(pause_seconds)
        await alarm.wait(max(0.0, poll_seconds - pause_seconds))


async def _done(follow: FollowInteractions, *, is_healing: bool = False) -> bool:
    """Whether that went well; else it is done again soon."""
    try:
        await follow()
        if is_healing:
            await follow.renew.heal()
    except ThreadsMlError as error:
        structlog.get_logger().warning("interactions_not_followed", error=str(error))
        return False
    except Exception:
        structlog.get_logger().exception("interactions_not_followed")
        return False
    return True
