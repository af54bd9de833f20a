"""Messages of cancelled runs make no feeds; all others do, or are counted as those that cannot."""

from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from core.application.generate_in_bulk import ASK_AGAIN_SECONDS, GenerateInBulk
from core.domain.errors import RunCancelled
from core.domain.feed import Feed
from core.domain.job import GenerateMessage
from core.domain.run import Run, RunCounts, RunKind, RunState
from tests.builders import feed_of
from tests.unit.core.application.runs import EVERYBODY, USERS, BulkStage


@dataclass
class Stage:
    """A run whose messages are the web's, and a use case that notes for whom it is asked."""

    bulk: BulkStage = field(default_factory=BulkStage)
    strangers: frozenset[UUID] = frozenset()
    generated: list[GenerateMessage] = field(default_factory=list)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        async def generate(message: GenerateMessage) -> Feed | None:
            self.generated.append(message)
            if message.user_id in self.strangers:
                return None
            feed = feed_of(str(message.user_id))
            await self.bulk.archive.put(feed)
            return feed

        self.generate_in_bulk = GenerateInBulk(generate, self.bulk.ledger, lambda: self.seconds)

    async def begun(self) -> Run:
        return await self.bulk.begun(replace(EVERYBODY, chunk_size=1))


async def test_messages_of_a_run_are_worked_off() -> None:
    stage = Stage()
    await stage.begun()

    for message in stage.bulk.queue.bulk_messages:
        await stage.generate_in_bulk(message)

    assert sorted(message.user_id for message in stage.generated) == USERS


async def test_a_named_user_without_history_is_counted_as_without_feed() -> None:
    stage = Stage(strangers=frozenset(USERS[:1]))
    request = replace(EVERYBODY, kind=RunKind.NAMED_USERS, chunk_size=1)
    run = await stage.bulk.begun(request, USERS)

    for message in stage.bulk.queue.bulk_messages:
        await stage.generate_in_bulk(message)
    await stage.bulk.ledger.settle(run.id)

    ended = await stage.bulk.seen(run)
    assert ended.state is RunState.COMPLETED
    assert ended.counts == RunCounts(users=5, stored=4, without_feed=1)


async def test_messages_of_a_cancelled_run_are_passed_over() -> None:
    stage = Stage()
    await stage.bulk.ledger.cancel((await stage.begun()).id)

    for message in stage.bulk.queue.bulk_messages:
        with pytest.raises(RunCancelled):
            await stage.generate_in_bulk(message)

    assert stage.generated == []


async def test_a_run_that_is_cancelled_meanwhile_is_noticed_soon() -> None:
    stage = Stage()
    run = await stage.begun()
    first, second, *_ = stage.bulk.queue.bulk_messages
    await stage.generate_in_bulk(first)
    await stage.bulk.ledger.cancel(run.id)

    await stage.generate_in_bulk(second)
    stage.seconds += ASK_AGAIN_SECONDS
    with pytest.raises(RunCancelled):
        await stage.generate_in_bulk(first)

    assert stage.generated == [first, second]


async def test_what_belongs_to_no_run_asks_no_ledger() -> None:
    stage = Stage()
    stage.bulk.ledger.unavailable = True

    for request_id in ("b0a5c6", "run-of-the-mill", f"run-{USERS[0]}"):
        await stage.generate_in_bulk(GenerateMessage(USERS[0], request_id))

    assert len(stage.generated) == 3
