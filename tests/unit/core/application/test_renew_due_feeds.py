"""Feeds of due users are renewed where somebody is there to see it, at a pace, and none is left out for good."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from core.application import renew_due_feeds
from core.application.renew_due_feeds import RenewDueFeeds
from core.domain.errors import ArchiveUnavailable, Unavailable
from core.domain.job import JobState
from tests.fakes.due_users import FakeDueUsers
from tests.fakes.job_queue import FakeJobQueue
from tests.fakes.renewal_pacing import FakeRenewalPacing
from tests.fakes.renewal_requests import FakeRenewalRequests
from tests.fakes.visits import FakeVisits

ANNA, BERT, ABSENT = (UUID(int=number) for number in (1, 2, 3))


@dataclass
class Scene:
    """Anna and Bert are there, all three are due; a batch ends the marks of its users, but of those left out."""

    due: FakeDueUsers = field(default_factory=lambda: FakeDueUsers({ANNA, BERT, ABSENT}))
    visits: FakeVisits = field(default_factory=lambda: FakeVisits({ANNA, BERT}))
    requests: FakeRenewalRequests = field(default_factory=FakeRenewalRequests)
    pacing: FakeRenewalPacing = field(default_factory=FakeRenewalPacing)
    queue: FakeJobQueue = field(default_factory=FakeJobQueue)
    batches: list[list[UUID]] = field(default_factory=list)
    left_out: set[UUID] = field(default_factory=set)
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        self.renew = RenewDueFeeds(self.due, self.visits, self.requests, self.pacing, self.renew_together, self.queue)

    async def renew_together(self, user_ids: Sequence[UUID]) -> Collection[UUID]:
        self.batches.append(list(user_ids))
        if self.failure is not None:
            raise self.failure
        self.due.due -= set(user_ids) - self.left_out
        return set(user_ids) - self.left_out

    @property
    def jobs(self) -> list[UUID]:
        return [message.user_id for message in self.queue.messages]

    async def round(self, *acted: UUID) -> int:
        """These have acted, and it is time."""
        self.due.due.update(acted)
        self.renew.note(acted)
        return await self.renew()


async def test_those_who_are_there_are_renewed_together_and_who_is_not_waits_for_nothing() -> None:
    scene = Scene()

    assert await scene.round(ANNA, BERT, ABSENT) == 2

    assert (scene.batches, scene.jobs) == ([[ANNA, BERT]], [])
    assert (scene.renew.waiting, scene.pacing.in_hand) == (set(), set())


async def test_who_acts_again_and_again_is_renewed_at_once_and_then_when_the_pace_allows() -> None:
    scene = Scene()
    for _ in range(5):
        await scene.round(ANNA)
    at_first = list(scene.batches)
    scene.pacing.let_time_pass()

    await scene.renew()

    assert (at_first, scene.batches) == ([[ANNA]], [[ANNA], [ANNA]])


async def test_who_acts_while_the_batch_is_made_is_looked_at_again() -> None:
    scene = Scene()

    async def act_meanwhile(user_ids: Sequence[UUID]) -> Collection[UUID]:
        made = await scene.renew_together(user_ids)
        scene.due.due.add(ANNA)
        scene.renew.note([ANNA])
        return made

    scene.renew.renew_together = act_meanwhile
    await scene.round(ANNA)
    scene.pacing.let_time_pass()

    await scene.renew()

    assert scene.batches == [[ANNA], [ANNA]]


async def test_who_acts_while_it_is_found_out_who_is_due_is_looked_at_again() -> None:
    class ActsMeanwhile(FakeDueUsers):
        async def among(self, user_ids: Sequence[UUID]) -> set[UUID]:
            due = await super().among(user_ids)
            if not self.due:
                self.due.add(ANNA)
                scene.renew.note([ANNA])
            return due

    scene = Scene(due=ActsMeanwhile())
    scene.renew.note([ANNA])
    await scene.renew()

    await scene.renew()

    assert scene.batches == [[ANNA]]


async def test_who_waits_and_is_due_no_more_is_forgotten() -> None:
    scene = Scene()
    scene.pacing.paced.add(ANNA)
    await scene.round(ANNA)
    scene.pacing.let_time_pass()
    scene.due.due.clear()

    assert await scene.renew() == 0

    assert (scene.batches, scene.renew.waiting) == ([], set())


async def test_a_feed_that_was_asked_for_is_renewed_though_its_user_is_not_due() -> None:
    scene = Scene()
    scene.due.due.clear()
    scene.requests.asked = {BERT}

    assert await scene.renew() == 1

    assert (scene.batches, scene.requests.asked) == ([[BERT]], set())


async def test_no_batch_is_larger_than_is_good_for_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renew_due_feeds, "BATCH", 1)
    scene = Scene()

    assert await scene.round(ANNA, BERT) == 2

    assert scene.batches == [[ANNA], [BERT]]


async def test_whom_a_batch_leaves_out_gets_a_job() -> None:
    scene = Scene(left_out={BERT})

    assert await scene.round(ANNA, BERT) == 1

    assert (scene.jobs, scene.renew.waiting, scene.pacing.in_hand) == ([BERT], set(), set())


async def test_a_job_that_may_have_read_too_early_is_followed_by_another() -> None:
    scene = Scene(left_out={BERT})
    scene.queue.leases[BERT] = JobState.RUNNING
    await scene.round(BERT)
    scene.queue.leases.clear()
    scene.pacing.let_time_pass()

    await scene.renew()

    assert (scene.jobs, scene.renew.waiting) == ([BERT], set())


async def test_those_whose_batch_fails_get_jobs_now_and_next_time_and_the_others_go_on() -> None:
    scene = Scene(failure=ArithmeticError("there is poison in it"))
    assert await scene.round(ANNA) == 0
    scene.queue.leases.clear()
    scene.pacing.let_time_pass()
    scene.failure = None

    assert await scene.round(ANNA, BERT) == 1

    assert (scene.batches, scene.jobs) == ([[ANNA], [BERT]], [ANNA, ANNA])


async def test_those_whose_batch_died_with_its_process_get_jobs() -> None:
    scene = Scene()
    await scene.pacing.admit([ANNA])
    scene.pacing.let_time_pass()

    assert await Scene(pacing=scene.pacing, queue=scene.queue).round(ANNA, BERT) == 1

    assert scene.jobs == [ANNA]


@pytest.mark.parametrize("failure", [ArchiveUnavailable("away"), asyncio.CancelledError()])
async def test_an_outage_or_an_end_in_peace_is_nobodys_fault(failure: BaseException) -> None:
    scene = Scene(failure=failure)
    with pytest.raises(type(failure)):
        await scene.round(ANNA)
    waiting = set(scene.renew.waiting)
    scene.pacing.let_time_pass()
    scene.failure = None

    assert await scene.renew() == 1

    assert (waiting, scene.batches, scene.jobs) == ({ANNA}, [[ANNA], [ANNA]], [])


async def test_a_full_queue_is_not_asked_for_each_user_and_all_wait() -> None:
    scene = Scene(left_out={ANNA, BERT})
    scene.queue.is_full = True

    assert await scene.round(ANNA, BERT) == 0

    assert scene.renew.waiting == {ANNA, BERT}


async def test_no_more_wait_than_there_is_room_for_and_the_others_are_found_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(renew_due_feeds, "WAITING_AT_MOST", 1)
    scene = Scene()

    scene.renew.note([ANNA])
    scene.renew.note([BERT])
    waiting = set(scene.renew.waiting)

    assert (waiting, await scene.renew()) == ({ANNA}, 2)


async def test_what_was_missed_while_a_server_was_away_is_healed_once_it_is_back() -> None:
    scene = Scene()
    scene.renew.has_missed, scene.due.unavailable = True, True
    with pytest.raises(Unavailable):
        await scene.renew()
    scene.due.unavailable = False

    assert await scene.renew() == 2


async def test_who_acts_while_many_are_healed_does_not_wait_for_all_of_them() -> None:
    scene = Scene(visits=FakeVisits({ANNA, BERT, ABSENT}, page=1))

    async def act_meanwhile(user_ids: Sequence[UUID]) -> Collection[UUID]:
        if not scene.batches:
            scene.renew.note([ABSENT])
        return await scene.renew_together(user_ids)

    scene.renew.renew_together = act_meanwhile

    assert await scene.renew.heal() == 3

    assert scene.batches == [[ANNA], [BERT, ABSENT]]


@pytest.mark.parametrize("is_told", [True, False])
async def test_what_a_dead_process_forgot_or_was_too_much_to_tell_is_healed(*, is_told: bool) -> None:
    scene = Scene()
    scene.renew.has_missed = is_told

    made = [await (scene.renew() if is_told else scene.renew.heal()), await scene.renew()]

    assert (made, scene.batches, scene.renew.has_missed) == ([2, 0], [[ANNA, BERT]], False)


async def test_healing_leaves_who_is_not_due_alone() -> None:
    scene = Scene()
    scene.due.due = {BERT, ABSENT}

    assert await scene.renew.heal() == 1

    assert scene.batches == [[BERT]]


@pytest.mark.parametrize("server", ["due", "visits", "pacing"])
async def test_without_a_server_it_says_so(server: str) -> None:
    scene = Scene()
    getattr(scene, server).unavailable = True

    with pytest.raises(Unavailable):
        await scene.renew.heal()


@pytest.mark.parametrize("server", ["due", "visits", "requests", "pacing"])
async def test_without_a_server_who_waits_goes_on_waiting(server: str) -> None:
    scene = Scene()
    getattr(scene, server).unavailable = True

    with pytest.raises(Unavailable):
        await scene.round(ANNA)

    assert scene.renew.waiting == {ANNA}


async def test_without_the_queue_whom_a_batch_leaves_out_waits() -> None:
    scene = Scene(left_out={ANNA})
    scene.queue.unavailable = True

    with pytest.raises(Unavailable):
        await scene.round(ANNA)

    assert scene.renew.waiting == {ANNA}


async def test_without_the_queue_who_is_renewed_together_is_not_alone_the_next_time() -> None:
    scene = Scene()
    await scene.pacing.admit([ANNA])
    scene.pacing.let_time_pass()
    scene.queue.unavailable = True

    with pytest.raises(Unavailable):
        await scene.round(ANNA, BERT)

    assert (scene.batches, scene.pacing.in_hand, scene.renew.waiting) == ([[BERT]], {ANNA}, {ANNA})


async def test_who_asks_too_much_of_a_server_does_not_keep_the_others_of_the_batch_waiting() -> None:
    scene = Scene()

    async def too_slow_for_anna(user_ids: Sequence[UUID]) -> Collection[UUID]:
        if ANNA in user_ids:
            scene.batches.append(list(user_ids))
            raise ArchiveUnavailable("too slow")
        return await scene.renew_together(user_ids)

    scene.renew.renew_together = too_slow_for_anna
    with pytest.raises(Unavailable):
        await scene.round(ANNA, BERT)
    for _ in range(2):
        scene.pacing.let_time_pass()
        with suppress(Unavailable):
            await scene.renew()

    assert (scene.batches, scene.jobs, scene.renew.waiting) == ([[ANNA, BERT], [ANNA], [BERT]], [ANNA], set())


async def test_after_an_outage_all_are_renewed_together_again() -> None:
    scene = Scene(failure=ArchiveUnavailable("away"))
    with pytest.raises(Unavailable):
        await scene.round(ANNA, BERT)
    scene.failure = None
    for _ in range(2):
        scene.pacing.let_time_pass()
        await scene.round(ANNA, BERT)

    assert (scene.batches, scene.jobs) == ([[ANNA, BERT], [ANNA], [BERT], [ANNA, BERT]], [])
