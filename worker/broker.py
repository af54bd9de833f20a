"""The broker of a worker process: Dramatiq over Redis, with every choice made explicitly."""

from collections.abc import Sequence
from typing import Any

import redis
from dramatiq import Middleware
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.infrastructure.redis_client import connection_options
from core.infrastructure.redis_job_queue import NAMESPACE
from core.settings import Settings

HEARTBEAT_TIMEOUT_MILLISECONDS = 30_000
# Out of a million commands: at one poll a second, a killed worker's messages are looked for about every 20 s.
MAINTENANCE_CHANCE = 50_000
# Longer than for those who make somebody wait: Dramatiq takes a time-out for a bug, not for a lost connection.
SOCKET_TIMEOUT_SECONDS = 5.0


def build_broker(settings: Settings, middleware: Sequence[Middleware]) -> RedisBroker:
    """A broker with this middleware and no other."""
    return RedisBroker(  # type: ignore[no-untyped-call]  # Dramatiq's constructor carries no types
        client=_client(settings),
        namespace=NAMESPACE,
        heartbeat_timeout=HEARTBEAT_TIMEOUT_MILLISECONDS,
        maintenance_chance=MAINTENANCE_CHANCE,
        middleware=list(middleware),
    )


def _client(settings: Settings) -> Any:
    """Nothing is sent twice: a fetch whose answer is lost would strand the messages of the first one."""
    url = settings.effective_broker_url
    options = connection_options(
        url, timeout_seconds=SOCKET_TIMEOUT_SECONDS, verify_tls=settings.redis_tls_verify, variable="BROKER_URL"
    )
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
