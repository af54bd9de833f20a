"""The bytes of models, by content."""

from collections.abc import Collection
from pathlib import Path
from typing import Protocol


class ArtefactStore(Protocol):
    """Shared by all machines; hands out what has the sha256 asked for.

    Raises ArtefactRefused, StorageFull, ArchiveUnavailable.
    """

    async def put(self, path: Path) -> tuple[str, int]:
        """Store the file's bytes, once however often it is called; gives their sha256 and size in bytes."""
        ...

    async def fetch(self, sha256: str) -> Path:
        """A local file with exactly these bytes, from the local cache where it is there and sound."""
        ...

    async def remove(self, sha256: str) -> None:
        """Forget the bytes, this machine's copy too; doing it twice does no harm."""
        ...

    async def remove_strays(self, named: Collection[str]) -> int:
        """Forget all that none of these sha256 names, and give its size in bytes.

        A store that other registries may use too keeps everything.
        """
        ...
