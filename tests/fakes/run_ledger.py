"""Runs and chunks in dicts."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from core.domain.errors import ArchiveUnavailable, RunActive, RunTakenOver
from core.domain.feed import Feed
from core.domain.run import Chunk, Run, RunCounts, RunKind, RunRequest, RunState, SetAside, chunk_id_of, halves
from tests.fakes.clock import FakeClock
from tests.fakes.feed_archive import FakeFeedArchive


@dataclass
class _Entry:
    """One chunk's row."""

    chunk: Chunk
    is_open: bool = True
    enqueued_at: datetime | None = None
    stored: int = 0
    kept: int = 0
    without_feed: int = 0
    error: str | None = None


@dataclass
class FakeRunLedger:
    """Feeds go to `archive`; each moment that is asked for or written is a second after the last."""

    archive: FakeFeedArchive = field(default_factory=FakeFeedArchive)
    clock: FakeClock = field(default_factory=FakeClock)
    runs: dict[UUID, Run] = field(default_factory=dict)
    tended_at: dict[UUID, datetime] = field(default_factory=dict)
    entries: dict[UUID, _Entry] = field(default_factory=dict)
    is_swept_elsewhere: bool = False
    unavailable: bool = False

    async def begin_run(
        self,
        request: RunRequest,
        started_by: str,
        user_ids: Sequence[UUID] | None = None,
        *,
        beside_others: bool = False,
    ) -> Run:
        self._answer()
        others = await self.active(request.kind)
        if others and not beside_others:
            raise RunActive(
                f"run {others[0].id} is still active, begun by {others[0].started_by}: wait, cancel it, or use --force"
            )
        now = self._tick()
        run = Run(uuid4(), request, started_by, now, self.archive.generation)
        self.runs[run.id], self.tended_at[run.id] = run, now
        return run if user_ids is None else await self.add_users(run, user_ids, None, is_last=True)

    async def find(self, run_id: UUID) -> Run | None:
        self._answer()
        run = self.runs.get(run_id)
        return None if run is None else replace(run, counts=self._counts(run))

    async def latest(self, count: int) -> Sequence[Run]:
        self._answer()
        ordered = sorted(self.runs.values(), key=lambda run: run.started_at, reverse=True)
        return [replace(run, counts=self._counts(run)) for run in ordered[:count]]

    async def active(self, kind: RunKind | None = None) -> Sequence[Run]:
        runs = reversed(await self.latest(len(self.runs)))
        return [run for run in runs if run.is_active and kind in (None, run.request.kind)]

    async def set_aside(self, run_id: UUID) -> Sequence[SetAside]:
        self._answer()
        failed = [SetAside(one.chunk.user_ids[0], one.error or "") for one in self._of(run_id) if _is_set_aside(one)]
        return sorted(failed, key=lambda one: one.user_id)

    async def cancel(self, run_id: UUID) -> bool:
        self._answer()
        if not self.runs[run_id].is_active:
            return False
        self._end(run_id, RunState.CANCELLED)
        return True

    async def add_users(
        self, run: Run, user_ids: Sequence[UUID], enumerated_up_to: UUID | None, *, is_last: bool
    ) -> Run:
        self._answer()
        held = self.runs[run.id]
        if not held.is_active or held.is_enumerated or held.enumerated_up_to != run.enumerated_up_to:
            raise RunTakenOver(f"run {run.id} is over, or goes on elsewhere")
        size = run.request.chunk_size
        for start in range(0, len(user_ids), size):
            chunk = Chunk(chunk_id_of(run.id, user_ids[start]), run.id, list(user_ids[start : start + size]))
            self.entries[chunk.id] = _Entry(chunk)
        up_to = enumerated_up_to or held.enumerated_up_to
        counts = RunCounts(held.counts.users + len(user_ids))
        self.runs[run.id] = replace(held, enumerated_up_to=up_to, is_enumerated=is_last, counts=counts)
        self.tended_at[run.id] = self._tick()
        return await self._found(run.id)

    async def take_open(self, run: Run, enqueued_before: datetime | None, count: int) -> Sequence[Chunk]:
        self._answer()
        if not self.runs[run.id].is_active:
            return []
        now = self._tick()
        if enqueued_before is None:
            self.tended_at[run.id] = now
        found = [one for one in self._of(run.id) if one.is_open and _is_due(one, enqueued_before)]
        for one in found[:count]:
            one.enqueued_at = now
            if run.request.chunk_size == 1:
                one.chunk = replace(one.chunk, attempts=one.chunk.attempts + 1)
        return [one.chunk for one in found[:count]]

    async def tend(self, run_id: UUID) -> None:
        self._answer()
        self.tended_at[run_id] = self._tick()

    async def exhausted(self, run_id: UUID, enqueued_before: datetime, attempts: int, count: int) -> Sequence[Chunk]:
        self._answer()
        return [
            one.chunk
            for one in self._of(run_id)
            if one.is_open and one.enqueued_at and one.enqueued_at < enqueued_before and one.chunk.attempts >= attempts
        ][:count]

    async def begin_chunk(self, chunk_id: UUID) -> Chunk | None:
        self._answer()
        entry = self.entries.get(chunk_id)
        if entry is None or not entry.is_open or not self.runs[entry.chunk.run_id].is_active:
            return None
        entry.chunk = replace(entry.chunk, attempts=entry.chunk.attempts + 1)
        return entry.chunk

    async def hand_back(self, chunk_ids: Collection[UUID]) -> None:
        self._answer()
        for chunk_id in chunk_ids:
            entry = self.entries[chunk_id]
            if entry.is_open:
                entry.chunk = replace(entry.chunk, attempts=max(0, entry.chunk.attempts - 1))

    async def finish_chunk(self, chunk: Chunk, feeds: Sequence[Feed]) -> Sequence[Feed] | None:
        self._answer()
        entry = self.entries[chunk.id]
        if not entry.is_open:
            return None
        stored = [feed for feed in feeds if await self.archive.put(feed)]
        entry.is_open = False
        entry.stored, entry.kept = len(stored), len(feeds) - len(stored)
        entry.without_feed = len(chunk.user_ids) - len(feeds)
        return stored

    async def split(self, chunk: Chunk, error: str) -> Sequence[Chunk]:
        self._answer()
        entry = self.entries[chunk.id]
        if not entry.is_open:
            return []
        entry.is_open, entry.error = False, error
        if len(chunk.user_ids) == 1:
            return []
        pieces = [Chunk(uuid4(), chunk.run_id, half) for half in halves(chunk.user_ids)]
        self.entries |= {piece.id: _Entry(piece, enqueued_at=self._tick()) for piece in pieces}
        return pieces

    async def leave_out(self, run_id: UUID, user_id: UUID) -> None:
        self._answer()
        entry = self.entries.get(chunk_id_of(run_id, user_id))
        if entry is not None and entry.is_open:
            entry.is_open, entry.without_feed = False, 1

    async def is_cancelled(self, run_id: UUID) -> bool:
        self._answer()
        return run_id in self.runs and self.runs[run_id].state is RunState.CANCELLED

    @asynccontextmanager
    async def sweeping(self) -> AsyncIterator[bool]:
        self._answer()
        yield not self.is_swept_elsewhere

    async def settle(self, run_id: UUID) -> bool:
        self._answer()
        run = self.runs[run_id]
        for entry in self._of(run_id):
            if run.request.chunk_size == 1 and entry.is_open:
                feed = self.archive.feeds.get(entry.chunk.user_ids[0])
                if feed is not None and feed.order.generation > run.after_generation:
                    entry.is_open, entry.stored = False, 1
        if run.is_active and run.is_enumerated and not any(entry.is_open for entry in self._of(run_id)):
            failed = any(map(_is_set_aside, self._of(run_id)))
            self._end(run_id, RunState.COMPLETED_WITH_FAILURES if failed else RunState.COMPLETED)
        return not self.runs[run_id].is_active

    async def count_ended(self, before: datetime) -> int:
        self._answer()
        return len(self._ended(before))

    async def remove_ended(self, before: datetime, at_most: int) -> int:
        self._answer()
        removed = self._ended(before)[:at_most]
        for run in removed:
            del self.runs[run.id]
            self.entries = {id_: entry for id_, entry in self.entries.items() if entry.chunk.run_id != run.id}
        return len(removed)

    async def speed(self) -> float | None:
        self._answer()
        runs = await self.latest(len(self.runs))
        ended = [run for run in runs if run.finished_at and run.counts.stored + run.counts.kept]
        speeds = [
            (run.counts.stored + run.counts.kept) / (run.finished_at - run.started_at).total_seconds()
            for run in ended
            if run.finished_at is not None and run.state is not RunState.CANCELLED
        ]
        return max(speeds[:10], default=None)

    async def is_untended(self, run_id: UUID, since: datetime) -> bool:
        self._answer()
        return self.tended_at[run_id] < since

    async def moment(self) -> datetime:
        self._answer()
        return self._tick()

    def _ended(self, before: datetime) -> list[Run]:
        ended = [(run.finished_at, run) for run in self.runs.values() if run.finished_at is not None]
        return [run for at, run in sorted(ended, key=lambda one: one[0]) if at < before]

    async def _found(self, run_id: UUID) -> Run:
        run = await self.find(run_id)
        assert run is not None
        return run

    def _counts(self, run: Run) -> RunCounts:
        entries = self._of(run.id)
        return RunCounts(
            users=run.counts.users,
            stored=sum(entry.stored for entry in entries),
            kept=sum(entry.kept for entry in entries),
            without_feed=sum(entry.without_feed for entry in entries),
            set_aside=sum(map(_is_set_aside, entries)),
        )

    def _of(self, run_id: UUID) -> list[_Entry]:
        return [entry for entry in self.entries.values() if entry.chunk.run_id == run_id]

    def _end(self, run_id: UUID, state: RunState) -> None:
        self.runs[run_id] = replace(self.runs[run_id], state=state, finished_at=self._tick())

    def _tick(self) -> datetime:
        self.clock.moment += timedelta(seconds=1)
        return self.clock.moment

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")


def _is_due(entry: _Entry, enqueued_before: datetime | None) -> bool:
    if entry.enqueued_at is None:
        return True
    return enqueued_before is not None and entry.enqueued_at < enqueued_before


def _is_set_aside(entry: _Entry) -> bool:
    return entry.error is not None and len(entry.chunk.user_ids) == 1
