"""Rows of a model's ids and of later ones."""

from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.infrastructure.key_rows import KeyRows, bytes_of, ids_of


def keys(*numbers: int) -> NDArray[np.bytes_]:
    """The last bytes are zero: they must not be lost on the way."""
    return np.array([number.to_bytes(2, "big") + bytes(14) for number in numbers], dtype="S16")


def test_later_keys_follow_in_the_order_in_which_they_came_and_those_unknown_have_no_row() -> None:
    known = KeyRows(keys(2, 4, 6), keys(9, 1, 5))

    assert len(known) == 6
    assert known.rows(keys(1, 2, 3, 4, 5, 6, 9)).tolist() == [4, 0, -1, 1, 5, 2, 3]
    assert known.keys(np.arange(6)).tolist() == keys(2, 4, 6, 9, 1, 5).tolist()
    assert known.keys(np.array([[5, 0]])).tolist() == [keys(5, 2).tolist()]


def test_a_key_that_is_known_twice_stands_for_its_later_row() -> None:
    known = KeyRows(keys(2, 4), keys(4))

    assert known.rows(keys(2, 4)).tolist() == [0, 2]
    assert known.keys(np.array([1, 2])).tolist() == keys(4, 4).tolist()


def test_where_nothing_is_known_nothing_has_a_row() -> None:
    assert KeyRows(keys()).rows(keys(1)).tolist() == [-1]


def test_an_id_that_ends_in_zeros_keeps_them() -> None:
    ids = [UUID(int=1 << 120), UUID(int=0), UUID(int=1)]

    keys = np.array([one.bytes for one in ids], dtype="S16")

    assert ids_of(keys) == ids
    assert bytes_of(keys[::-1]) == [one.bytes for one in reversed(ids)]
    assert ids_of(keys[:0]) == []
