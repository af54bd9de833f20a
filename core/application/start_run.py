"""Begin a bulk generation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from core.application.ports.model_registry import ModelRegistry
from core.application.ports.popular_posts import PopularPosts
from core.application.ports.run_ledger import RunLedger
from core.domain.errors import InvalidInput, NotFound
from core.domain.model import version_name, version_number
from core.domain.run import Run, RunRequest

RUNS_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class StartRun:
    """Writes the run down, and renews popular posts that are no longer young; ContinueRun does the rest."""

    ledger: RunLedger
    registry: ModelRegistry
    popular: PopularPosts
    popular_refresh_seconds: float

    async def __call__(
        self,
        request: RunRequest,
        started_by: str,
        user_ids: Sequence[UUID] | None = None,
        *,
        beside_others: bool = False,
    ) -> Run:
        """`user_ids`: whose feeds, where they are named. Raises RunActive, NotFound and InvalidInput, changing nothing.

        A model that is named must be the one that serves: workers have no other.
        """
        version = await self.served(request.model_version)
        named = None if user_ids is None else sorted(set(user_ids))[: request.limit]
        run = await self.ledger.begin_run(
            replace(request, model_version=version), started_by, named, beside_others=beside_others
        )
        await self.popular.refresh_if_older_than(self.popular_refresh_seconds)
        return run

    async def begun_since(self, request: RunRequest, moment: datetime) -> Run | None:
        """The latest run since that moment of which the same was asked, by models too. Raises like the call itself."""
        wanted = replace(request, model_version=await self.served(request.model_version))
        runs = await self.ledger.latest(RUNS_LOOKED_AT)
        return next((run for run in runs if run.started_at >= moment and run.request == wanted), None)

    async def served(self, wanted: str | None) -> str | None:
        """The model that serves, None before the first. Raises NotFound and InvalidInput for another one wanted."""
        serving = (await self.registry.serving()).model
        version = None if serving is None else serving.version
        if wanted is None:
            return version
        number = version_number(wanted)
        if await self.registry.find(number) is None:
            raise NotFound(f"there is no model {version_name(number)}: `threads-ml models list` shows which there are")
        if version != version_name(number):
            raise InvalidInput(
                f"{version_name(number)} does not serve, {version or 'no model'} does: "
                f"`threads-ml models promote {version_name(number)}` first"
            )
        return version
