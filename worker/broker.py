"""The broker of a worker process: Dramatiq over Redis, with every choice made explicitly."""

import ssl
from typing import Any

import redis
from dramatiq import Middleware
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, AsyncIO, Retries, ShutdownNotifications, TimeLimit

from core.infrastructure.redis_job_queue import NAMESPACE
from core.settings import Settings

HEARTBEAT_TIMEOUT_MILLISECONDS = 30_000
# Out of a million commands: at one poll a second, a killed worker's messages are looked for about every 20 s.
MAINTENANCE_CHANCE = 50_000
# The consumer's own polls last up to a second; a command that takes longer than this is a lost connection.
SOCKET_TIMEOUT_SECONDS = 5.0


def build_broker(settings: Settings, lifespan: Middleware) -> RedisBroker:
    """A broker with neither results, pipelines nor Prometheus; `lifespan` stands behind the event loop it needs."""
    return RedisBroker(  # type: ignore[no-untyped-call]  # Dramatiq's constructor carries no types
        client=_client(settings),
        namespace=NAMESPACE,
        heartbeat_timeout=HEARTBEAT_TIMEOUT_MILLISECONDS,
        maintenance_chance=MAINTENANCE_CHANCE,
        middleware=[AgeLimit(), TimeLimit(), ShutdownNotifications(), Retries(), AsyncIO(), lifespan],
    )


def _client(settings: Settings) -> Any:
    url = settings.effective_broker_url
    # Platforms hand out rediss:// with certificates that nobody has signed.
    requirement = ssl.CERT_REQUIRED if settings.redis_tls_verify else ssl.CERT_NONE
    tls: dict[str, Any] = {"ssl_cert_reqs": requirement, "ssl_check_hostname": settings.redis_tls_verify}
    return redis.Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        **(tls if url.startswith("rediss://") else {}),
    )
