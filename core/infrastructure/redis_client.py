"""Connections to Redis: how they are opened, and what their failures mean."""

import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, nullcontext
from typing import Any
from urllib.parse import urlsplit

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import DataError, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from core.domain.errors import ConfigurationError, Unavailable
from core.infrastructure.circuit_breaker import CircuitBreaker
from core.infrastructure.guarded_redis import GuardedRedis

TIMEOUT_SECONDS = 0.5
POOL_SIZE = 2

# redis-py types every answer as text or bytes, whatever the client was opened for.
RedisClient = Any


@asynccontextmanager
async def open_redis(
    url: str,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    verify_tls: bool = False,
    variable: str = "REDIS_URL",
    breaker: CircuitBreaker | None = None,
    pool_size: int = POOL_SIZE,
) -> AsyncIterator[RedisClient]:
    """A client that connects when it is first used; nothing is sent twice behind the caller's back.

    Callers beyond the number of connections wait for one, no longer than the timeout; behind a breaker only the first
    callers of an outage wait at all, and nobody for its end. Who subscribes takes a connection away from the others.
    """
    options = connection_options(url, timeout_seconds=timeout_seconds, verify_tls=verify_tls, variable=variable)
    pool = BlockingConnectionPool.from_url(
        url, max_connections=pool_size, timeout=timeout_seconds, retry=Retry(NoBackoff(), 0), **options
    )
    client: RedisClient = Redis.from_pool(pool) if breaker is None else GuardedRedis(pool, breaker)
    async with aclosing(client), nullcontext() if breaker is None else breaker.probed(client.ping):
        yield client


def connection_options(url: str, *, timeout_seconds: float, verify_tls: bool, variable: str) -> dict[str, Any]:
    """What a client is given beside the URL; raises ConfigurationError, naming the variable, for a URL that is none."""
    if not _is_redis_url(url):
        # What is wrong with it is not repeated: it may be the password.
        raise ConfigurationError(
            f"{variable} is wrong: expected redis://:password@host:port/number, or rediss:// for TLS, "
            "with special characters of the password percent-encoded"
        )
    # With them redis-py hands out connections that the server has closed: what is sent first after a restart is lost.
    options = {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    if not url.startswith("rediss://"):
        return options
    # Platforms hand out rediss:// with certificates that nobody has signed.
    required = ssl.CERT_REQUIRED if verify_tls else ssl.CERT_NONE
    return {**options, "ssl_cert_reqs": required, "ssl_check_hostname": verify_tls}


@contextmanager
def translated(unavailable: type[Unavailable]) -> Iterator[None]:
    """Whatever says that Redis is away becomes the given error; programming errors pass."""
    try:
        yield
    except DataError:
        raise
    except (RedisError, OSError) as error:
        raise unavailable(f"Redis does not answer: {str(error) or type(error).__name__}") from error


async def warn_of_eviction(broker: RedisClient) -> None:
    """Log a warning when the queue's server may throw messages away; say nothing where it does not tell."""
    try:
        answer = await broker.config_get("maxmemory-policy")
    except (RedisError, OSError):
        return
    policy = answer.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        structlog.get_logger().warning("queue_may_be_evicted", maxmemory_policy=policy, wanted="noeviction")


def _is_redis_url(url: str) -> bool:
    """Stricter than redis-py, which takes `/abc` for database 0."""
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or not has_port:
        return False
    return re.fullmatch(r"/?\d*", parts.path) is not None and not parts.fragment
