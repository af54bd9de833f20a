import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import InvalidInput
from core.domain.feed import FeedOrder
from core.domain.ids import to_uuid
from core.domain.job import PagePosition
from web.cursor import read_cursor, write_cursor

ANNA, BERTA = to_uuid("anna"), to_uuid("berta")
POSITION = PagePosition(FeedOrder(3, 2**40), 50)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

whole = st.integers(0, 2**63)
positions = st.builds(PagePosition, st.builds(FeedOrder, whole, whole), st.integers(0, 1000))


@given(positions)
def test_what_was_written_is_read(position: PagePosition) -> None:
    text = write_cursor(position, ANNA)

    assert read_cursor(text, ANNA) == position
    assert len(text) == 32


def refused(text: str) -> bool:
    with pytest.raises(InvalidInput) as raised:
        read_cursor(text, ANNA)
    return raised.value.pointer == "/cursor"


def test_another_users_cursor_is_refused() -> None:
    assert refused(write_cursor(POSITION, BERTA))


@pytest.mark.parametrize("place", range(32))
def test_a_cursor_with_one_character_changed_is_refused(place: int) -> None:
    text = write_cursor(POSITION, ANNA)
    other = ALPHABET[(ALPHABET.index(text[place]) + 1) % 64]

    assert refused(text[:place] + other + text[place + 1 :])


@pytest.mark.parametrize("length", [0, 1, 16, 31])
def test_a_truncated_cursor_is_refused(length: int) -> None:
    assert refused(write_cursor(POSITION, ANNA)[:length])


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize("disguise", ["{}=", " {}", "{}\n", "{}{}"])
def test_a_cursor_with_something_around_it_is_refused(disguise: str) -> None:
    text = write_cursor(POSITION, ANNA)

    assert refused(disguise.format(text, text))
