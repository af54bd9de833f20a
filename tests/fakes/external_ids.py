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
    told: dict[UUID, str | None] = field(default_factory=dict)

    async def texts_of(self, ids: Collection[UUID]) -> Mapping[UUID, str]:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
        self.told.update({id_: self.texts.get(id_) for id_ in ids})
        return {id_: self.texts[id_] for id_ in ids if id_ in self.texts}

    def last_told(self, ids: Collection[UUID]) -> Mapping[UUID, str | None]:
        return {id_: self.told[id_] for id_ in ids if id_ in self.told}
