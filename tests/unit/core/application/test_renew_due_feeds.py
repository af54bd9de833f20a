"""Feeds of due users are renewed where somebody is there to see it, at a pace, and none is left out for good."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from core.application import renew_due_feeds
from core.application.renew_due_feeds import RenewDueFeeds
from core.domain.errors import Unavailable
from core.domain.job import JobState
from tests.fakes.due_users import FakeDueUsers
from tests.fakes.job_pacing import FakeJobPacing
from tests.fakes.job_queue import FakeJobQueue
from tests.fakes.visits import FakeVisits

ANNA, BERT, ABSENT = (UUID(int=number) for number in (1, 2, 3))


@dataclass
class Scene:
    """Anna and Bert are there, all three are due."""

    due: FakeDueUsers = field(default_factory=lambda: FakeDueUsers({ANNA, BERT, ABSENT}))
    visits: FakeVisits = field(default_factory=lambda: FakeVisits({ANNA, BERT}))
    pacing: FakeJobPacing = field(default_factory=FakeJobPacing)
    queue: FakeJobQueue = field(default_factory=FakeJobQueue)

    def __post_init__(self) -> None:
        self.renew = RenewDueFeeds(self.due, self.visits, self.pacing, self.queue)

    @property
    def jobs(self) -> list[UUID]:
        return [message.user_id for message in self.queue.messages]

    def finish_jobs(self) -> None:
        self.queue.leases.clear()


async def test_who_is_there_gets_a_job_and_who_is_not_does_not() -> None:
    scene = Scene()

    assert await scene.renew([ANNA, ABSENT]) == 1

    assert scene.jobs == [ANNA]


async def test_who_acts_again_and_again_gets_one_job_at_once_and_one_when_the_pace_allows() -> None:
    scene = Scene()
    await scene.renew([ANNA])
    scene.finish_jobs()
    for _ in range(5):
        await scene.renew([ANNA])
    at_first = list(scene.jobs)
    scene.pacing.let_time_pass()

    await scene.renew([])

    assert (at_first, scene.jobs) == ([ANNA], [ANNA, ANNA])


async def test_a_job_that_may_have_read_too_early_is_followed_by_another() -> None:
    scene = Scene()
    scene.queue.leases[ANNA] = JobState.RUNNING
    assert await scene.renew([ANNA]) == 0
    scene.finish_jobs()
    scene.pacing.let_time_pass()

    assert await scene.renew([]) == 1

    assert scene.jobs == [ANNA]
    assert scene.renew.postponed == set()


async def test_who_was_postponed_and_is_due_no_more_is_forgotten() -> None:
    scene = Scene()
    scene.queue.leases[ANNA] = JobState.RUNNING
    await scene.renew([ANNA])
    scene.finish_jobs()
    scene.pacing.let_time_pass()
    scene.due.due.clear()

    assert await scene.renew([]) == 0

    assert (scene.jobs, scene.renew.postponed) == ([], set())


async def test_a_full_queue_is_not_asked_for_each_user() -> None:
    scene = Scene()
    scene.queue.is_full = True

    assert await scene.renew([ANNA, BERT]) == 0

    assert len(scene.renew.postponed) == 1


async def test_no_more_are_postponed_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renew_due_feeds, "POSTPONED_AT_MOST", 1)
    scene = Scene()
    scene.pacing.paced |= {ANNA, BERT}

    await scene.renew([ANNA, BERT])

    assert len(scene.renew.postponed) == 1


async def test_what_a_dead_process_forgot_is_healed() -> None:
    scene = Scene()

    assert await scene.renew.heal() == 2

    assert sorted(scene.jobs) == [ANNA, BERT]


async def test_healing_leaves_who_is_not_due_alone() -> None:
    scene = Scene()
    scene.due.due = {BERT, ABSENT}

    assert await scene.renew.heal() == 1

    assert scene.jobs == [BERT]


@pytest.mark.parametrize("server", ["due", "visits", "pacing", "queue"])
async def test_without_a_server_it_says_so(server: str) -> None:
    scene = Scene()
    getattr(scene, server).unavailable = True

    with pytest.raises(Unavailable):
        await scene.renew.heal()
