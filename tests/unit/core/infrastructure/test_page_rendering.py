"""The beginning of an answer, and how an ending goes behind it."""

import gzip
import zlib
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.feed import Reason, Recommendation
from core.infrastructure.packed_recommendations import PackedRecommendations, pack
from core.infrastructure.page_rendering import RenderedStart, render_start

POST, OTHER = UUID(int=1), UUID(int=2)
ITEMS = [Recommendation(POST, 1.0, Reason.COLLABORATIVE_FILTERING), Recommendation(OTHER, 1 / 3, Reason.POPULAR)]


@given(st.binary(max_size=5000), st.binary(max_size=65535))
def test_start_and_ending_are_one_gzip_file(text: bytes, ending: bytes) -> None:
    start = RenderedStart.of(text)

    compressed = start.gzipped(ending)

    assert gzip.decompress(compressed) == text + ending
    assert start.text() == text


def test_the_file_has_one_member_for_clients_that_read_no_more() -> None:
    decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)

    text = decompressor.decompress(RenderedStart.of(b"start").gzipped(b" and ending"))

    assert (text, decompressor.eof, decompressor.unused_data) == (b"start and ending", True, b"")


def test_a_start_becomes_a_json_object_with_its_ending() -> None:
    start = render_start(ITEMS, {}, "collaborative_filtering_v1")

    assert msgspec.json.decode(start + b',"user_id":"anna"}') == {
        "recommendations": [
            {"post_id": str(POST), "score": 1.0, "reason": "collaborative_filtering"},
            {"post_id": str(OTHER), "score": 0.333333, "reason": "popular"},
        ],
        "count": 2,
        "model_version": "collaborative_filtering_v1",
        "user_id": "anna",
    }


@pytest.mark.parametrize("texts", [{}, {POST: "post 1"}])
def test_packed_recommendations_become_the_same_bytes(texts: dict[UUID, str]) -> None:
    packed = PackedRecommendations(pack(ITEMS))

    assert render_start(packed, texts, "v1") == render_start(ITEMS, texts, "v1")


def test_ids_are_written_as_the_app_wrote_them() -> None:
    start = render_start(ITEMS, {POST: 'post "1"'}, "v1")

    read = msgspec.json.decode(start + b"}")
    assert [item["post_id"] for item in read["recommendations"]] == ['post "1"', str(OTHER)]


@pytest.mark.parametrize("spoilt", [b"", b"\xff\xff"])
def test_spoilt_bytes_are_no_text(spoilt: bytes) -> None:
    with pytest.raises(zlib.error):
        RenderedStart(spoilt + b"\xff", 0, 5).text()
