"""What is written is seen, makes users due and has their feeds looked at."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from core.application.follow_interactions import FollowInteractions
from core.application.renew_due_feeds import RenewDueFeeds
from core.domain.user_change import UserChange
from tests.fakes.due_users import FakeDueUsers
from tests.fakes.freshness_meter import FakeFreshnessMeter
from tests.fakes.job_queue import FakeJobQueue
from tests.fakes.new_interactions import FakeNewInteractions
from tests.fakes.renewal_pacing import FakeRenewalPacing
from tests.fakes.renewal_requests import FakeRenewalRequests
from tests.fakes.seen_posts import FakeSeenPosts
from tests.fakes.visits import FakeVisits

ANNA, BERT = UUID(int=1), UUID(int=2)
CHANGE = UserChange(ANNA, 7, [UUID(int=10)])


@dataclass
class Scene:
    """Anna has acted."""

    due: FakeDueUsers = field(default_factory=FakeDueUsers)
    seen: FakeSeenPosts = field(default_factory=FakeSeenPosts)

    def __post_init__(self) -> None:
        self.interactions = FakeNewInteractions(self.due, [CHANGE])
        self.renew = RenewDueFeeds(
            self.due, FakeVisits(), FakeRenewalRequests(), FakeRenewalPacing(), nobody_is_renewed, FakeJobQueue()
        )
        self.meter = FakeFreshnessMeter()
        self.follow = FollowInteractions(self.interactions, self.seen, self.renew, self.meter)


async def nobody_is_renewed(_: Sequence[UUID]) -> Collection[UUID]:
    """It is not time yet."""
    raise AssertionError


async def test_a_post_is_seen_and_its_user_due_and_looked_at_when_it_is_time() -> None:
    scene = Scene()

    assert await scene.follow() == 1

    assert scene.seen.held == {ANNA: UserChange(ANNA, 7, (UUID(int=10),))}
    assert (scene.due.due, scene.renew.waiting) == ({ANNA}, {ANNA})
    assert scene.meter.noticed_seconds == [0.5]


async def test_while_another_process_looks_nothing_is_done() -> None:
    scene = Scene()
    scene.interactions.is_read_by_another = True

    assert await scene.follow() == 0

    assert (scene.seen.held, scene.due.due, scene.renew.waiting) == ({}, set(), set())


async def test_a_cache_that_is_away_keeps_nobody_from_being_due() -> None:
    scene = Scene()
    scene.seen.unavailable = True

    await scene.follow()

    assert (scene.due.due, scene.renew.waiting) == ({ANNA}, {ANNA})
    assert scene.interactions.written == []


@pytest.mark.parametrize("told_at_most", [0, 1])
async def test_after_very_many_interactions_all_due_visitors_are_to_be_found(told_at_most: int) -> None:
    scene = Scene()
    scene.interactions.told_at_most = told_at_most

    await scene.follow()

    assert scene.renew.has_missed is (told_at_most == 0)


async def test_a_change_without_posts_leaves_what_was_seen_alone() -> None:
    scene = Scene()
    scene.interactions.written[:] = [UserChange(BERT, 8, [])]

    await scene.follow()

    assert scene.seen.held == {}
    assert scene.due.due == {BERT}
