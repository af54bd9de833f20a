"""Facts about a list of interactions."""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from core.application.ports.service_facts import InteractionFacts
from core.domain.errors import ArchiveUnavailable
from core.domain.interaction import Interaction


@dataclass
class FakeServiceFacts:
    """`recorded` are the interactions of all users; `texts` the external ids of users."""

    recorded: list[Interaction] = field(default_factory=list)
    texts: dict[UUID, str] = field(default_factory=dict)
    revision: str | None = "0001"
    unavailable: bool = False

    async def schema_revision(self) -> str | None:
        self._answer()
        return self.revision

    async def interactions(self) -> InteractionFacts:
        self._answer()
        return InteractionFacts(
            count=len(self.recorded),
            users=len({act.user_id for act in self.recorded}),
            posts=len({act.post_id for act in self.recorded}),
            first_at=min((act.created_at for act in self.recorded), default=None),
            last_at=max((act.created_at for act in self.recorded), default=None),
        )

    async def busiest_user(self) -> str | None:
        self._answer()
        counts = Counter(act.user_id for act in self.recorded)
        busiest = min(counts, key=lambda user_id: (-counts[user_id], user_id), default=None)
        return None if busiest is None else self.texts.get(busiest, str(busiest))

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
