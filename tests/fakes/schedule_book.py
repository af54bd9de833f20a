"""The schedule's book in a dict."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.domain.errors import ArchiveUnavailable
from core.domain.schedule import Task, TaskRecord


@dataclass
class FakeScheduleBook:
    """`pages` outlive the clocks of a test; `kept` is whether one is at work."""

    pages: dict[Task, TaskRecord] = field(default_factory=dict)
    kept: bool = False
    unavailable: bool = False

    async def records(self) -> Mapping[Task, TaskRecord]:
        self._answer()
        return dict(self.pages)

    async def write(self, task: Task, record: TaskRecord, seen: TaskRecord | None) -> bool:
        self._answer()
        if self.pages.get(task) != seen:
            return False
        self.pages[task] = record
        return True

    async def is_kept(self) -> bool:
        self._answer()
        return self.kept

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
