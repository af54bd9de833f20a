"""Ids in sixteen bytes each, read only when they are needed."""

from collections.abc import Iterator, Sequence
from typing import overload
from uuid import UUID

from core.infrastructure.quick_uuid import QuickUUID

ID_BYTES = 16


class PackedIds(Sequence[UUID]):
    """Equal to any sequence of the same ids."""

    __slots__ = ("_packed",)

    def __init__(self, packed: bytes) -> None:
        """packed: so many ids, one behind the other."""
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed) // ID_BYTES

    @overload
    def __getitem__(self, place: int) -> UUID: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[UUID]: ...

    def __getitem__(self, place: int | slice) -> UUID | Sequence[UUID]:
        return tuple(self)[place]

    def __iter__(self) -> Iterator[UUID]:
        return (QuickUUID(self._packed[at : at + ID_BYTES]) for at in range(0, len(self._packed), ID_BYTES))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # what equals a list has no hash
