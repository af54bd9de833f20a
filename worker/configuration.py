"""The settings of a worker, checked before anything is started."""

from core.domain.errors import ConfigurationError
from core.domain.job import Queue
from core.infrastructure.postgres_pool import to_asyncpg_dsn
from core.infrastructure.redis_client import connection_options
from core.settings import Settings, load_settings

# What their log lines are signed with.
PROCESS_NAMES = {Queue.FEEDS: "worker", Queue.FEEDS_BULK: "worker-bulk"}


def load_worker_settings() -> Settings:
    """Raises ConfigurationError for what a worker cannot do without: two servers, and URLs that can be read."""
    settings = load_settings()
    for name, value in (("DATABASE_URL", settings.database_url), ("REDIS_URL", settings.redis_url)):
        if not value:
            raise ConfigurationError(f"{name} is not set: a worker needs it")
    to_asyncpg_dsn(settings.database_url)
    for name, url in (("REDIS_URL", settings.redis_url), ("BROKER_URL", settings.effective_broker_url)):
        connection_options(url, timeout_seconds=settings.redis_timeout_seconds, verify_tls=False, variable=name)
    return settings
