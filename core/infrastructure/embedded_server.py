"""What every embedded server is: started, stopped, and known by its process."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from core.infrastructure.leashed_process import LeashedProcess


class EmbeddedServer(ABC):
    """A server that runs inside an `async with` block, or from `start` to `stop`."""

    def __init__(self) -> None:
        self._process: LeashedProcess | None = None
        self._port = 0

    @property
    def process(self) -> LeashedProcess:
        """The running server, or the last one that ran."""
        if self._process is None:
            raise RuntimeError("the server has not been started")
        return self._process

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @abstractmethod
    async def start(self) -> None:
        """Return once the server answers."""

    @abstractmethod
    async def stop(self) -> None:
        """Write everything out and end."""
