"""What the processes of a benchmark's own service cost while something runs, seen from outside."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

import psutil

from core.infrastructure.task_ending import end_task

LOOK_EVERY_SECONDS = 0.5
OTHERS = "others"


class ProcessWatch:
    """Looks at the processes below this one twice a second; of one that ends in between the last look counts."""

    def __init__(self, kinds: Mapping[str, str], known: Mapping[int, str] = MappingProxyType({})) -> None:
        """kinds: a text that is in the command line of each process of the kind; known: kinds by process ids."""
        self._kinds, self._known = kinds, known
        self._first: dict[tuple[int, float], float] = {}
        self._last: dict[tuple[int, float], tuple[str, float]] = {}
        self._resident: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch inside the block."""
        self._first = {one: seconds for one, _, seconds, _ in self._seen()}
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            await end_task(looking)
            self._note()

    @property
    def processor_seconds(self) -> dict[str, float]:
        """What each kind of process took, and others."""
        found = dict.fromkeys([*self._kinds, *self._known.values(), OTHERS], 0.0)
        for one, (kind, seconds) in self._last.items():
            found[kind] += seconds - self._first.get(one, 0.0)
        return found

    def resident_bytes(self, kind: str, after: float) -> list[int]:
        """What the processes of the kind held together, at each look since this moment of the monotonic clock."""
        return [resident for moment, resident in self._resident[kind] if moment >= after]

    async def _look(self) -> None:
        while True:
            await asyncio.to_thread(self._note)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _note(self) -> None:
        held: defaultdict[str, int] = defaultdict(int)
        for one, kind, seconds, resident in self._seen():
            self._last[one] = kind, seconds
            held[kind] += resident
        for kind, resident in held.items():
            self._resident[kind].append((time.monotonic(), resident))

    def _seen(self) -> Iterator[tuple[tuple[int, float], str, float, int]]:
        for process in psutil.Process().children(recursive=True):
            try:
                times, resident = process.cpu_times(), process.memory_info().rss
                yield (process.pid, process.create_time()), self._kind(process), times.user + times.system, resident
            except psutil.Error:
                continue  # it has ended

    def _kind(self, process: psutil.Process) -> str:
        if process.pid in self._known:
            return self._known[process.pid]
        command = " ".join(process.cmdline())
        return next((kind for kind, text in self._kinds.items() if text in command), OTHERS)
