"""What a worker process does besides jobs: it follows the interactions, in turn with the others, and renews feeds."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from core.application.follow_interactions import FollowInteractions
from core.application.renew_due_feeds import RenewDueFeeds
from core.domain.errors import ThreadsMlError
from core.infrastructure.postgres_interaction_alarm import PostgresInteractionAlarm
from core.infrastructure.task_ending import end_task

HEAL_SECONDS = 30.0
# Statements that come thick and fast are read together.
PAUSE_SECONDS = 0.4
# Of a slow database no more than a sixth of the time is taken.
REST_SHARE = 5
# The feeds of all who have become due meanwhile are made together: each by itself costs twenty times as much.
GATHER_SECONDS = 0.5


@asynccontextmanager
async def following(
    follow: FollowInteractions, alarm: PostgresInteractionAlarm, poll_seconds: float
) -> AsyncIterator[None]:
    """Look every so many seconds, at once where the alarm rings, and renew beside it, inside the block."""
    async with alarm:
        tasks = [asyncio.create_task(_follow(follow, alarm, poll_seconds)), asyncio.create_task(_renew(follow.renew))]
        try:
            yield
        finally:
            for task in tasks:
                await end_task(task)


async def _follow(follow: FollowInteractions, alarm: PostgresInteractionAlarm, poll_seconds: float) -> None:
    while True:
        began = time.monotonic()
        await _went_well(follow, "interactions_not_followed")
        pause_seconds = max(min(PAUSE_SECONDS, poll_seconds), REST_SHARE * (time.monotonic() - began))
        await asyncio.sleep(pause_seconds)
        await alarm.wait(max(0.0, poll_seconds - pause_seconds))


async def _renew(renew: RenewDueFeeds) -> None:
    """However many feeds are behind, interactions are followed meanwhile."""
    heal_at = time.monotonic()
    while True:
        if time.monotonic() >= heal_at and await _went_well(renew.heal, "feeds_not_renewed"):
            heal_at = time.monotonic() + HEAL_SECONDS
        await _went_well(renew, "feeds_not_renewed")
        await asyncio.sleep(GATHER_SECONDS)


async def _went_well(work: Callable[[], Awaitable[object]], event_otherwise: str) -> bool:
    """Else it is done again soon."""
    try:
        await work()
    except ThreadsMlError as error:
        structlog.get_logger().warning(event_otherwise, error=str(error))
        return False
    except Exception:
        structlog.get_logger().exception(event_otherwise)
        return False
    return True
