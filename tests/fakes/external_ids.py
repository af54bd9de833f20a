"""Texts of ids in a dict."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from core.domain.errors import ArchiveUnavailable


@dataclass
class FakeExternalIds:
    """Knows the texts it was given."""

    texts: dict[UUID, str] = field(default_factory=dict)
    unavailable: bool = False

    async def texts_of(self, ids: Collection[UUID]) -> Mapping[UUID, str]:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
        return {id_: self.texts[id_] for id_ in ids if id_ in self.texts}
