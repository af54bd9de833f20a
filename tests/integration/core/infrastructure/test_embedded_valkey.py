"""The embedded Valkey keeps what was written, lets in nobody without the password, and survives kill -9."""

import importlib.util
import os
import signal
import stat
from pathlib import Path

import pytest
import redis.asyncio
import redis.exceptions

from core.domain.errors import ConfigurationError
from core.infrastructure.embedded_servers import embedded_servers
from core.infrastructure.embedded_valkey import EmbeddedValkey


async def write(url: str, key: str, value: str) -> None:
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.set(key, value)


async def read(url: str, key: str) -> str | None:
    async with redis.asyncio.Redis.from_url(url, decode_responses=True) as client:
        value = await client.get(key)
        assert not isinstance(value, bytes)
        return value


async def test_databases_are_apart(redis_url: str, broker_url: str) -> None:
    await write(redis_url, "key", "value")

    assert await read(redis_url, "key") == "value"
    assert await read(broker_url, "key") is None


async def test_wrong_password_is_refused(redis_url: str) -> None:
    with pytest.raises(redis.exceptions.AuthenticationError):
        await read(redis_url.replace("redis://:", "redis://:x"), "key")


async def test_nothing_is_evicted(redis_url: str) -> None:
    async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as client:
        policy = await client.config_get("maxmemory-policy")

    assert policy == {"maxmemory-policy": "noeviction"}


async def test_password_is_readable_by_its_owner_only(valkey_server: EmbeddedValkey, servers_folder: Path) -> None:
    folder = servers_folder / "valkey"

    for name in ("password", "valkey.conf"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert valkey_server.url(0).split("@")[0].removeprefix("redis://:") not in _command_line(valkey_server.process.pid)


async def test_restart_finds_the_keys_on_the_same_port(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / 'a "strange" folder') as first:
        await write(first.url(1), "key", "value")

    async with EmbeddedValkey(tmp_path / 'a "strange" folder') as second:
        assert second.url(1) == first.url(1)
        assert await read(second.url(1), "key") == "value"


async def test_killed_server_starts_again_with_what_was_written(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / "valkey") as killed:
        await write(killed.url(0), "key", "value")
        os.kill(killed.process.pid, signal.SIGKILL)
        await killed.process.wait()

    async with EmbeddedValkey(tmp_path / "valkey") as server:
        assert await read(server.url(0), "key") == "value"


async def test_server_left_behind_by_an_earlier_run_is_stopped_first(tmp_path: Path) -> None:
    orphan = EmbeddedValkey(tmp_path / "valkey")
    await orphan.start()

    async with EmbeddedValkey(tmp_path / "valkey"):
        assert await orphan.process.wait(0) == 0


async def test_taken_port_is_left_for_another(tmp_path: Path, valkey_server: EmbeddedValkey) -> None:
    taken = valkey_server.url(0).rpartition(":")[2].removesuffix("/0")
    async with EmbeddedValkey(tmp_path / "valkey"):
        pass
    (tmp_path / "valkey" / "port").write_text(taken)

    async with EmbeddedValkey(tmp_path / "valkey") as server:
        assert f":{taken}/" not in server.url(0)


async def test_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ConfigurationError, match="uv sync --group embedded"):
        await EmbeddedValkey(tmp_path / "valkey").start()


async def test_both_servers_start_together(tmp_path: Path) -> None:
    async with embedded_servers(tmp_path, durable=False) as servers:
        await write(servers.broker_url, "key", "value")
        assert await read(servers.redis_url, "key") is None
        assert servers.database_url.startswith("postgresql://threads_ml:")


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()
