"""Recommendations in twenty bytes each."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.feed import Feed, FeedOrder, FeedSource, Reason, Recommendation
from core.domain.job import FeedRequest, PagePosition
from core.domain.page import page_of
from core.domain.post_set import Posts
from core.infrastructure.packed_recommendations import RECORD_BYTES, PackedRecommendations, PackedTexts, pack

recommendations = st.lists(
    st.builds(
        Recommendation,
        st.uuids(),
        st.integers(0, 1_000_000).map(lambda millionths: millionths / 1_000_000),
        st.sampled_from(Reason),
    )
)


@given(recommendations)
def test_what_was_packed_is_read_back(items: list[Recommendation]) -> None:
    packed = PackedRecommendations.checked(pack(items))

    assert list(packed) == items
    assert packed == items
    assert len(packed) == len(items)
    assert [packed[place] for place in range(len(items))] == items


@given(recommendations, st.slices(20))
def test_a_slice_is_that_of_the_list(items: list[Recommendation], part: slice) -> None:
    assert list(PackedRecommendations(pack(items))[part]) == items[part]


def test_scores_keep_six_digits() -> None:
    packed = PackedRecommendations(pack([Recommendation(uuid4(), 2 / 3, Reason.POPULAR)]))

    assert packed[0].score == 0.666667


def test_ids_are_uuids_like_any_other() -> None:
    post_id = uuid4()

    read = PackedRecommendations(pack([Recommendation(post_id, 1.0, Reason.POPULAR)]))[-1].post_id

    assert isinstance(read, UUID)
    assert read == post_id
    assert read in {post_id}
    assert {read: 1}[post_id] == 1
    assert str(read) == str(post_id)


def test_beyond_the_end_there_is_nothing() -> None:
    with pytest.raises(IndexError):
        PackedRecommendations(b"")[0]


@pytest.mark.parametrize("records", [b"x", b"x" * (RECORD_BYTES + 1), b"\xff" * RECORD_BYTES], ids=len)
def test_what_nobody_packed_is_refused(records: bytes) -> None:
    with pytest.raises(ValueError, match="no packed recommendations"):
        PackedRecommendations.checked(records)


def test_texts_are_found_by_id_where_the_id_is_not_its_own_text() -> None:
    items = [Recommendation(uuid4(), 1.0, Reason.POPULAR) for _ in range(3)]
    texts = PackedTexts(PackedRecommendations(pack(items)), ["a", "", "c"])

    assert texts == {items[0].post_id: "a", items[2].post_id: "c"}
    assert texts.get(items[1].post_id) is None


def test_only_what_is_needed_is_read() -> None:
    spoilt = pack([Recommendation(uuid4(), 1.0, Reason.POPULAR)]) + b"\xff" * RECORD_BYTES

    assert len(list(islice(PackedRecommendations(spoilt), 1))) == 1


@given(items=recommendations, drawn=st.sets(st.integers(0, 40)))
def test_some_are_picked_by_their_places(items: list[Recommendation], drawn: set[int]) -> None:
    places = sorted(place for place in drawn if place < len(items))
    packed = PackedRecommendations(pack(items))

    assert list(packed.picked(places)) == [packed[place] for place in places]
    assert packed.keys() == tuple(item.post_id.bytes for item in items)


@given(items=recommendations)
def test_fields_are_those_of_the_recommendations(items: list[Recommendation]) -> None:
    packed = PackedRecommendations(pack(items))

    assert list(packed.fields()) == [(item.post_id, item.score, item.reason.value) for item in packed]


@given(
    items=st.lists(st.builds(Recommendation, st.uuids(), st.just(0.5), st.sampled_from(Reason)), max_size=30),
    drawn=st.data(),
)
def test_pages_cut_from_it_are_those_of_the_plain_list(items: list[Recommendation], drawn: st.DataObject) -> None:
    ids = [item.post_id for item in items]
    some = st.lists(st.sampled_from(ids)) if ids else st.just([])
    order, now = FeedOrder(1, 1), datetime.now(UTC)
    request = FeedRequest(
        "anna",
        limit=drawn.draw(st.integers(1, 10)),
        excluded_post_ids=tuple(map(str, drawn.draw(some))),
        after=drawn.draw(st.none() | st.integers(0, 40).map(lambda offset: PagePosition(order, offset))),
    )
    unwanted = [Posts(drawn.draw(some)), Posts(drawn.draw(some))]
    lists: list[Sequence[Recommendation]] = [items, PackedRecommendations(pack(items))]

    plain, packed = (
        page_of(Feed(uuid4(), one, "v1", order, now, now), request, FeedSource.CACHE, unwanted) for one in lists
    )

    assert list(packed.recommendations) == list(plain.recommendations)
    assert (packed.next, packed.left_out) == (plain.next, plain.left_out)
