"""What is written is seen, makes users due and has their feeds renewed."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from core.application.follow_interactions import FollowInteractions
from core.application.renew_due_feeds import RenewDueFeeds
from core.domain.errors import CacheUnavailable
from core.domain.user_change import UserChange
from tests.fakes.due_users import FakeDueUsers
from tests.fakes.freshness_meter import FakeFreshnessMeter
from tests.fakes.job_pacing import FakeJobPacing
from tests.fakes.job_queue import FakeJobQueue
from tests.fakes.new_interactions import FakeNewInteractions
from tests.fakes.seen_posts import FakeSeenPosts
from tests.fakes.visits import FakeVisits

ANNA, BERT = UUID(int=1), UUID(int=2)
CHANGE = UserChange(ANNA, 7, [UUID(int=10)])


@dataclass
class Scene:
    """Anna is there and has acted."""

    due: FakeDueUsers = field(default_factory=FakeDueUsers)
    seen: FakeSeenPosts = field(default_factory=FakeSeenPosts)
    queue: FakeJobQueue = field(default_factory=FakeJobQueue)

    def __post_init__(self) -> None:
        self.interactions = FakeNewInteractions(self.due, [CHANGE])
        self.visits = FakeVisits({ANNA})
        renew = RenewDueFeeds(self.due, self.visits, FakeJobPacing(), self.queue)
        self.meter = FakeFreshnessMeter()
        self.follow = FollowInteractions(self.interactions, self.seen, renew, self.meter)


async def test_a_post_is_seen_its_user_due_and_a_job_on_its_way() -> None:
    scene = Scene()

    assert await scene.follow() == 1

    assert scene.seen.held == {ANNA: UserChange(ANNA, 7, (UUID(int=10),))}
    assert scene.due.due == {ANNA}
    assert [message.user_id for message in scene.queue.messages] == [ANNA]
    assert scene.meter.noticed_seconds == [0.5]


async def test_while_another_process_looks_nothing_is_done() -> None:
    scene = Scene()
    scene.interactions.is_read_by_another = True

    assert await scene.follow() == 0

    assert (scene.seen.held, scene.due.due, scene.queue.messages) == ({}, set(), [])


async def test_a_cache_that_is_away_keeps_nobody_from_being_due() -> None:
    scene = Scene()
    scene.seen.unavailable = scene.visits.unavailable = True

    with pytest.raises(CacheUnavailable):
        await scene.follow()

    assert scene.due.due == {ANNA}
    assert scene.interactions.written == []


async def test_after_very_many_interactions_all_due_visitors_are_renewed() -> None:
    scene = Scene()
    scene.interactions.told_at_most = 0

    await scene.follow()

    assert [message.user_id for message in scene.queue.messages] == [ANNA]


async def test_a_change_without_posts_leaves_what_was_seen_alone() -> None:
    scene = Scene()
    scene.interactions.written[:] = [UserChange(BERT, 8, [])]

    await scene.follow()

    assert scene.seen.held == {}
    assert scene.due.due == {BERT}
