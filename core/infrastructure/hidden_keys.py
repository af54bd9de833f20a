"""A set of hidden posts that tells what has changed."""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID


class HiddenChange(NamedTuple):
    """Posts, by the sixteen bytes of their ids, that are hidden and were not, and those that are shown again."""

    hidden: Collection[bytes]
    shown: Collection[bytes]


class HiddenKeys:
    """A set of posts by the sixteen bytes of their ids, as packed recommendations hold them."""

    def __init__(self) -> None:
        self.version = 0
        self.keys: set[bytes] = set()
        self._untold: set[bytes] = set()

    def __contains__(self, post_id: object, /) -> bool:
        return isinstance(post_id, UUID) and post_id.bytes in self.keys

    def add(self, key: bytes) -> None:
        """Hide the post."""
        if key not in self.keys:
            self.keys.add(key)
            self._note(key)

    def remove(self, key: bytes) -> None:
        """Show the post again, if it was hidden."""
        if key in self.keys:
            self.keys.remove(key)
            self._note(key)

    def take_the_place_of(self, other: "HiddenKeys") -> None:
        """Go on from what the other has said, as if it had become this one."""
        differing = self.keys ^ other.keys
        self.version = other.version + bool(differing)
        self._untold = differing ^ other._untold

    def take_change(self) -> HiddenChange:
        """What has changed since this was asked last."""
        change = HiddenChange(self._untold & self.keys, self._untold - self.keys)
        self._untold = set()
        return change

    def _note(self, key: bytes) -> None:
        """What was changed back is no change."""
        self.version += 1
        self._untold ^= {key}
