"""A port of its own on which Prometheus finds what a process counts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import CollectorRegistry, start_http_server


@asynccontextmanager
async def metrics_served(registry: CollectorRegistry, host: str, port: int) -> AsyncIterator[None]:
    """Serve inside the block, from a thread; port 0 means nowhere, and a port that is taken costs the figures only."""
    server = await asyncio.to_thread(_started, registry, host, port) if port else None
    try:
        yield
    finally:
        if server is not None:
            await asyncio.to_thread(_stop, server)


def _started(registry: CollectorRegistry, host: str, port: int) -> WSGIServer | None:
    try:
        server, _ = start_http_server(port, host, registry)
    except (OSError, OverflowError) as error:  # OverflowError: beyond the last port there is
        structlog.get_logger().warning("metrics_not_served", host=host, port=port, reason=str(error))
        return None
    structlog.get_logger().info("metrics_served", host=host, port=port)
    return server


def _stop(server: WSGIServer) -> None:
    server.shutdown()
    server.server_close()
