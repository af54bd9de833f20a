from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from core.infrastructure.held_hidden_posts import HiddenKeys
from tests.builders import post
from worker.blocked_posts import BlockedPosts


@dataclass
class Holding:
    hidden: HiddenKeys = field(default_factory=HiddenKeys)

    def current(self) -> HiddenKeys:
        return self.hidden


@dataclass
class Recommending:
    blocked: list[set[UUID]] = field(default_factory=list)

    def block(self, post_ids: Collection[UUID]) -> None:
        self.blocked.append(set(post_ids))


async def test_what_is_hidden_is_blocked_and_what_is_shown_again_is_not() -> None:
    holding, recommending = Holding(), Recommending()
    look = BlockedPosts(holding, recommending)
    for number in (1, 2):
        holding.hidden.add(post(number).bytes)

    await look()
    holding.hidden.remove(post(1).bytes)
    await look()

    assert recommending.blocked == [{post(1), post(2)}, {post(2)}]


async def test_where_nothing_has_changed_nothing_is_done() -> None:
    holding, recommending = Holding(), Recommending()
    look = BlockedPosts(holding, recommending)

    await look()
    holding.hidden.add(post(1).bytes)
    await look()
    await look()

    assert recommending.blocked == [{post(1)}]
