"""Remove the bytes of models that nobody needs any more; their rows tell of them for good."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.application.ports.artefact_store import ArtefactStore
from core.application.ports.model_registry import ModelRegistry
from core.domain.errors import NotFound, PruneRefused
from core.domain.model import ModelRecord, ModelStatus, model_before, version_name


@dataclass(frozen=True, slots=True)
class PruneModels:
    """The row is marked before the bytes go: what is marked can be removed again, what is not still serves."""

    registry: ModelRegistry
    artefacts: ArtefactStore

    async def all_but(self, keep: int) -> Sequence[ModelRecord]:
        """Keep the newest so many, what serves, and the one that a rollback would go back to; gives the others."""
        return await self._pruned(await self._others(keep))

    async def unneeded(self, keep: int) -> Sequence[ModelRecord]:
        """Whose bytes would go if so many were kept."""
        return [record for record in await self._others(keep) if record.pruned_at is None]

    async def only(self, numbers: Sequence[int]) -> Sequence[ModelRecord]:
        """Raises NotFound, and PruneRefused for the champion and what is pinned; nothing is removed then."""
        records = {record.number: record for record in await self.registry.all()}
        serving = await self._serving(list(records.values()))
        for number in numbers:
            if number not in records:
                raise NotFound(f"there is no model {version_name(number)}")
            if number in serving:
                is_champion = records[number].status is ModelStatus.CHAMPION
                why = "is the champion: promote another model first" if is_champion else "is what MODEL_PIN names"
                raise PruneRefused(f"{version_name(number)} {why}")
        return await self._pruned([records[number] for number in numbers])

    async def bytes_of(self, records: Sequence[ModelRecord]) -> int:
        """How many go with these: what another model shares with them stays."""
        numbers = {record.number for record in records}
        others = [record for record in await self.registry.all() if record.number not in numbers]
        shared = {record.sha256 for record in others if record.pruned_at is None}
        return sum({record.sha256: record.size_bytes for record in records if record.sha256 not in shared}.values())

    async def strays(self) -> int:
        """Remove what trainings stored that were killed before they registered it; gives its size in bytes.

        One that is at work stores its bytes again when it has registered them.
        """
        return await self.artefacts.remove_strays(await self._named())

    async def _others(self, keep: int) -> Sequence[ModelRecord]:
        records = await self.registry.all()
        needed = {record.number for record in records[:keep]} | await self._serving(records)
        before = model_before(records)
        return [record for record in records if record.number not in needed and record != before]

    async def _serving(self, records: Sequence[ModelRecord]) -> set[int]:
        """The champion, and under a pin what serves in its place."""
        pinned = (await self.registry.serving()).model
        champion = {record.number for record in records if record.status is ModelStatus.CHAMPION}
        return champion | ({pinned.number} if pinned is not None else set())

    async def _pruned(self, records: Sequence[ModelRecord]) -> Sequence[ModelRecord]:
        there = [record for record in records if record.pruned_at is None]
        for record in there:
            await self.registry.mark_pruned(record.number)
        for record in records:
            # Asked each time: a training may register a model of the same bytes meanwhile.
            if record.sha256 not in await self._named():
                await self.artefacts.remove(record.sha256)
        return there

    async def _named(self) -> set[str]:
        return {record.sha256 for record in await self.registry.all() if record.pruned_at is None}
