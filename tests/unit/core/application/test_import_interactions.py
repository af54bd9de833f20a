"""An import adds what is new and tells what became of every row."""

import pytest

from core.application.import_interactions import ImportInteractions
from core.application.ports.interaction_source import InteractionBatch, RejectedRow
from core.domain.errors import InvalidInput
from tests.fakes.interaction_source import FakeInteractionSource
from tests.fakes.interaction_store import FakeInteractionStore

Words = tuple[str, ...]
BAD = RejectedRow(7, "no time", "ann", "p1", "view")
WORSE = RejectedRow(9, "empty user id", "", "p1", "view", "0")


def batch(words: str, *rejected: RejectedRow) -> InteractionBatch[Words]:
    accepted = tuple(words.split())
    return InteractionBatch(accepted, len(accepted), rejected, bytes_read=0)


async def test_every_row_is_added_or_duplicate_or_rejected() -> None:
    store = FakeInteractionStore({"a"})
    source = FakeInteractionSource([batch("a b b", BAD), batch("c b", WORSE)])

    report = await ImportInteractions(source, store)()

    assert (report.read, report.added, report.duplicate, report.rejected) == (7, 2, 3, 2)
    assert report.first_rejected == BAD
    assert store.kept == {"a", "b", "c"}


async def test_the_same_rows_again_add_nothing() -> None:
    run = ImportInteractions(FakeInteractionSource([batch("a b")]), FakeInteractionStore())

    await run()
    again = await run()

    assert (again.added, again.duplicate) == (0, 2)


async def test_strict_adds_nothing_when_any_row_is_bad_and_still_tells_of_all_bad_rows() -> None:
    store, heard = FakeInteractionStore(), []
    source = FakeInteractionSource([batch("a"), batch("b", BAD), batch("c", WORSE)])

    with pytest.raises(InvalidInput, match="nothing is imported: bad rows 2, the first in line 7: no time"):
        await ImportInteractions(source, store)(strict=True, on_batch=lambda found: heard.extend(found.rejected))

    assert store.kept == set()
    assert heard == [BAD, WORSE]


async def test_strict_adds_all_when_all_rows_are_good() -> None:
    store = FakeInteractionStore()

    report = await ImportInteractions(FakeInteractionSource([batch("a b")]), store)(strict=True)

    assert report.added == 2


async def test_a_source_that_breaks_off_leaves_nothing_behind() -> None:
    store = FakeInteractionStore()
    source = FakeInteractionSource([batch("a b")], InvalidInput("the file is truncated"))

    with pytest.raises(InvalidInput, match="truncated"):
        await ImportInteractions(source, store)()

    assert store.kept == set()


async def test_the_source_is_closed_when_the_caller_fails() -> None:
    source = FakeInteractionSource([batch("a"), batch("b")])

    def fail(_: InteractionBatch[Words]) -> None:
        raise RuntimeError("the disk of the rejects is full")

    with pytest.raises(RuntimeError, match="rejects"):
        await ImportInteractions(source, FakeInteractionStore())(on_batch=fail)

    assert source.closed
