"""Take the champion back: the model before it serves again, and feeds of the withdrawn one are made anew."""

from dataclasses import dataclass

from core.application.ports.artefact_store import ArtefactStore
from core.application.ports.feed_archive import FeedArchive
from core.application.ports.job_queue import JobQueue
from core.application.ports.model_registry import ModelRegistry
from core.application.secured_bytes import secure_bytes
from core.domain.errors import PromotionRefused, Unavailable
from core.domain.job import GenerateMessage
from core.domain.model import ModelRecord, model_before


@dataclass(frozen=True, slots=True)
class Rollback:
    """Which model was withdrawn, which serves in its place, and how many feeds were asked for anew.

    enqueued: None where the queue or the archive is away: then feeds are renewed as they are asked for.
    """

    withdrawn: ModelRecord
    serving: ModelRecord
    epoch: int
    enqueued: int | None


@dataclass(frozen=True, slots=True)
class RollBack:
    """What nobody could load is not gone back to. Only haste needs the queue: a withdrawn model's feeds are stale."""

    registry: ModelRegistry
    artefacts: ArtefactStore
    archive: FeedArchive
    queue: JobQueue

    async def __call__(self, by: str, request_id: str) -> Rollback:
        """Raises ArtefactRefused, and PromotionRefused under a pin, after another change, and with nothing to go to."""
        seen = await self.registry.serving()
        if seen.model is None:
            raise PromotionRefused("no model serves: there is nothing to take back")
        before = model_before(await self.registry.all())
        if before is not None:
            await secure_bytes(self.artefacts, before)
        serving = await self.registry.roll_back(by, seen.epoch)
        if serving.model is None:
            raise PromotionRefused("the registry has lost the model to go back to")
        return Rollback(seen.model, serving.model, serving.epoch, await self._enqueued(seen.model.version, request_id))

    async def _enqueued(self, model_version: str, request_id: str) -> int | None:
        """The most lately active users come first."""
        count = 0
        try:
            async for user_ids in self.archive.users_of(model_version):
                await self.queue.submit_bulk([GenerateMessage(user_id, request_id) for user_id in user_ids])
                count += len(user_ids)
        except Unavailable:  # a command that failed now would be given again, and take back one more
            return None
        return count
