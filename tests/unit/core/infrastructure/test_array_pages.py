"""First pages by arrays: the text that is rendered of each feed, in a stream that zlib reads."""

import random
import zlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.feed import Feed, FeedOrder, Reason, Recommendation
from core.infrastructure.array_pages import rendered_by_arrays
from core.infrastructure.deflate_codes import code_widths
from core.infrastructure.page_rendering import rendered_starts

NOW = datetime(2026, 11, 1, tzinfo=UTC)
RANDOM = random.Random(0)

recommendations = st.lists(
    st.builds(
        Recommendation,
        st.uuids(),
        st.integers(0, 1_000_000).map(lambda millionths: millionths / 1_000_000),
        st.sampled_from(Reason),
    ),
    max_size=60,
)


def feed_of(*found: Recommendation, model_version: str = "collaborative_filtering_v1") -> Feed:
    return Feed(
        user_id=UUID(int=1),
        recommendations=found,
        model_version=model_version,
        order=FeedOrder(1, 1),
        generated_at=NOW,
        expires_at=NOW + timedelta(days=1),
    )


def some(count: int, reason: Reason = Reason.COLLABORATIVE_FILTERING) -> list[Recommendation]:
    scores = sorted((RANDOM.random() for _ in range(count)), reverse=True)
    return [Recommendation(UUID(int=RANDOM.getrandbits(128)), score, reason) for score in scores]


@settings(deadline=None)  # the first call compiles
@given(st.lists(recommendations, min_size=1, max_size=5), st.integers(1, 55))
def test_pages_are_those_that_are_rendered_one_by_one(lists: list[list[Recommendation]], limit: int) -> None:
    feeds = [feed_of(*found) for found in lists]

    by_arrays = rendered_by_arrays(feeds, limit)

    for one, plain in zip(by_arrays, rendered_starts(feeds, limit), strict=True):
        assert (one.text(), one.crc, one.length) == (plain.text(), plain.crc, plain.length)


@pytest.mark.parametrize("millionths", [*range(25), 99, 100, 101, 999, 10_000, 99_999, 500_000, 999_999, 1_000_000])
def test_a_score_has_as_many_digits_as_it_needs(millionths: int) -> None:
    feed = feed_of(*[Recommendation(UUID(int=1), millionths / 1_000_000, Reason.POPULAR)] * 2)

    (by_arrays,) = rendered_by_arrays([feed], 50)

    assert by_arrays.text() == rendered_starts([feed], 50)[0].text()


@pytest.mark.parametrize("limit", [1, 9, 10, 99, 100])
def test_pages_are_as_long_as_feeds_and_limit_admit(limit: int) -> None:
    mixed = [item for pair in zip(some(60), some(60, Reason.POPULAR), strict=True) for item in pair]
    feeds = [feed_of(*mixed[:count]) for count in (0, 1, 9, 10, 99, 100, 120)]

    by_arrays = rendered_by_arrays(feeds, limit)

    assert [one.text() for one in by_arrays] == [one.text() for one in rendered_starts(feeds, limit)]


@pytest.mark.parametrize("number", [0, 255, 256, 65_535, 2**120 - 1, 2**120, 2**128 - 1])
def test_ids_of_any_bytes_are_written(number: int) -> None:
    feed = feed_of(*[Recommendation(UUID(int=number), 1.0, Reason.POPULAR)] * 3)

    (by_arrays,) = rendered_by_arrays([feed], 50)

    assert by_arrays.text() == rendered_starts([feed], 50)[0].text()


@pytest.mark.parametrize("version", ["modèle_v1", "a\x7fb", 'a"\\b', "v" * 5000, ""])
def test_no_letter_of_a_models_name_is_lost(version: str) -> None:
    feed = feed_of(*some(2), model_version=version)

    (by_arrays,) = rendered_by_arrays([feed], 50)

    assert by_arrays.text() == rendered_starts([feed], 50)[0].text()


def test_of_nobody_there_are_no_pages() -> None:
    assert rendered_by_arrays([], 50) == []


def test_an_answer_in_gzip_format_is_the_page_and_its_ending() -> None:
    (start,) = rendered_by_arrays([feed_of(*some(50))], 50)

    answer = start.gzipped(b',"user_id":"x"}')

    assert zlib.decompress(answer, zlib.MAX_WBITS | 16) == start.text() + b',"user_id":"x"}'


def test_a_page_takes_no_more_room_than_zlib_makes_of_it() -> None:
    feeds = [feed_of(*some(30), *some(20, Reason.POPULAR)) for _ in range(100)]

    sizes = [
        sum(len(start.deflated) for start in render(feeds, 50)) for render in (rendered_by_arrays, rendered_starts)
    ]

    assert sizes[0] <= sizes[1]


def test_feeds_with_texts_or_of_two_models_are_rendered_one_by_one() -> None:
    (found,) = some(1)
    with_text = Feed(**{name: getattr(feed_of(found), name) for name in Feed.__slots__} | {
        "external_ids": {found.post_id: "post-1"}
    })  # fmt: skip
    of_another = feed_of(found, model_version="popular")

    starts = rendered_by_arrays([with_text, of_another], 50)

    assert starts == rendered_starts([with_text, of_another], 50)
    assert b'"post-1"' in starts[0].text()


def test_what_comes_more_often_has_the_shorter_code_and_no_code_is_left_over() -> None:
    widths = code_widths({0: 8, 1: 4, 2: 2, 3: 1, 4: 1})

    assert widths == {0: 1, 1: 2, 2: 3, 3: 4, 4: 4}
