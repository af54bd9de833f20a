"""Ids of 16 bytes as numbers."""

import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.recommender.id_dictionary import IdDictionary

# Ids that differ in their first or last bytes only, that end in zero bytes, and any others.
ids = st.one_of(
    st.integers(0, 20), st.integers(0, 20).map(lambda number: number << 120), st.integers(0, 2**128 - 1)
).map(lambda number: number.to_bytes(16, "big"))
compiling = settings(deadline=None)  # the first call of a kernel may have to


def keys(raw: list[bytes]) -> NDArray[np.bytes_]:
    return np.array(raw, dtype="S16")


@compiling
@given(st.lists(st.lists(ids, max_size=30), max_size=4))
def test_codes_count_up_by_first_appearance_over_all_batches(batches: list[list[bytes]]) -> None:
    dictionary, plain = IdDictionary(), dict[bytes, int]()

    for batch in batches:
        expected = [plain.setdefault(one, len(plain)) for one in batch]
        assert dictionary.encode(keys(batch)).tolist() == expected

    assert len(dictionary) == len(plain)


@compiling
@given(st.lists(ids, max_size=60))
def test_sorted_ids_are_in_the_order_of_their_bytes_and_ranks_lead_to_them(raw: list[bytes]) -> None:
    dictionary = IdDictionary()
    codes = dictionary.encode(keys(raw))

    ordered, ranks = dictionary.sorted()

    assert ordered.view(np.uint8).reshape(-1, 16).tolist() == [list(one) for one in sorted(set(raw))]
    assert (ordered[ranks[codes]] == keys(raw)).all()


def test_it_grows_past_any_room_it_had() -> None:
    raw = keys([uuid.UUID(int=number * 2654435761).bytes for number in range(20_000)])
    dictionary = IdDictionary()

    codes = dictionary.encode(np.concatenate((raw, raw)))

    assert codes.tolist() == [*range(20_000), *range(20_000)]


def test_ids_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="S16"):
        IdDictionary().encode(np.array([b"short"]))


def test_more_ids_than_32_bits_can_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.recommender.id_dictionary.MOST_IDS", 1500)

    with pytest.raises(ValueError, match="more than 1,500 ids"):
        IdDictionary().encode(keys([uuid.UUID(int=number).bytes for number in range(1501)]))
