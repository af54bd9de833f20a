"""A server that is silent rather than gone: stopped in its tracks, with all its connections open."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import asyncpg

from core.infrastructure.embedded_postgres import EmbeddedPostgres
from core.infrastructure.embedded_valkey import EmbeddedValkey


@contextmanager
def silenced_valkey(server: EmbeddedValkey) -> Iterator[None]:
    """Takes connections and commands inside the block, and answers none."""
    server.process.send(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send(signal.SIGCONT)


@asynccontextmanager
async def silenced_postgres(server: EmbeddedPostgres) -> AsyncIterator[None]:
    """The same; each connection has a process of its own, which goes on after the one that takes connections."""
    connection = await asyncpg.connect(server.url)
    server.process.send(signal.SIGSTOP)  # first: it must start no more of them
    pids = [row["pid"] for row in await connection.fetch("select pid from pg_stat_activity")]
    _send(signal.SIGSTOP, pids)
    try:
        yield
    finally:
        _send(signal.SIGCONT, pids)
        server.process.send(signal.SIGCONT)
        await connection.close()


def _send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
