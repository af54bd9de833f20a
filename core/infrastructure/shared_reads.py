"""Reads of the same thing at the same time, done once for all who ask."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SharedReads(Generic[Key, Value]):
    """Whoever asks while a read of the key is under way joins it: what he gets may be as old as when that began."""

    def __init__(self, read: Callable[[Key], Awaitable[Value]]) -> None:
        self._read = read
        self._under_way: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key) -> Value:
        """Raises what the read raises, to all. Who gives up leaves the others their answer."""
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._read_for_all(key))
            task.add_done_callback(_heard)
        return await asyncio.shield(task)

    async def _read_for_all(self, key: Key) -> Value:
        try:
            return await self._read(key)
        finally:
            del self._under_way[key]


def _heard(task: "asyncio.Task[Value]") -> None:
    """Nobody may be left to hear of a failure."""
    if not task.cancelled():
        task.exception()
