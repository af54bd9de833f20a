"""How far a run has got."""

from dataclasses import dataclass
from uuid import UUID

from core.application.ports.run_ledger import RunLedger
from core.domain.errors import NotFound
from core.domain.run import Run


@dataclass(frozen=True, slots=True)
class FollowRun:
    """Counts what is in the ledger, not what workers say of themselves."""

    ledger: RunLedger

    async def __call__(self, run_id: UUID) -> Run:
        """One look; ends the run where nothing is left to do. Raises NotFound."""
        await self.ledger.settle(run_id)
        run = await self.ledger.find(run_id)
        if run is None:
            raise NotFound(f"there is no run {run_id}")
        return run
