"""Text ids and the UUIDs they are stored under."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from core.domain.ids import NAMESPACE, is_canonical, session_id, to_uuid


def test_canonical_uuid_in_any_case_is_itself() -> None:
    text = "027BAF23-101f-48d2-b7d1-4A23E6CF8E4A"

    assert to_uuid(text) == UUID("027baf23-101f-48d2-b7d1-4a23e6cf8e4a")


def test_uuid_without_dashes_or_with_braces_is_ordinary_text() -> None:
    for text in ("027baf23101f48d2b7d14a23e6cf8e4a", "{027baf23-101f-48d2-b7d1-4a23e6cf8e4a}"):
        assert not is_canonical(text)
        assert to_uuid(text) == uuid5(NAMESPACE, text)


@given(st.uuids())
def test_every_uuid_survives_the_way_through_its_text(value: UUID) -> None:
    assert to_uuid(str(value)) == value


@given(st.text(), st.text())
def test_different_texts_that_are_not_uuids_have_different_ids(one: str, other: str) -> None:
    assert (to_uuid(one) == to_uuid(other)) == (one == other)


def test_a_session_is_known_by_its_posts_in_their_order() -> None:
    a, b = to_uuid("a"), to_uuid("b")

    assert session_id([a, b]) == session_id([a, b])
    assert len({session_id([a, b]), session_id([b, a]), session_id([a]), to_uuid("a")}) == 4
