"""Columns of ids become the UUIDs that single ids become."""

import string
from uuid import UUID, uuid4

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.ids import is_canonical, to_uuid
from core.infrastructure.id_columns import IdColumns, id_problems

A_UUID = "2f0c5c1e-8a4d-4a53-9f0b-6d7e1c3b5a90"
UUID_LIKE = st.text(string.hexdigits + "-g", min_size=36, max_size=36)
UUID_TEXTS = st.uuids().map(str) | st.uuids().map(lambda uuid: str(uuid).upper())
TEXTS = UUID_TEXTS | UUID_LIKE | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.lists(TEXTS))
def test_columns_agree_with_single_ids(texts: list[str]) -> None:
    ids = IdColumns()

    uuids = ids.to_uuids(pa.array(texts, pa.string()))

    assert [UUID(bytes=uuid) for uuid in uuids.tolist()] == [to_uuid(text) for text in texts]
    external = {text: UUID(bytes=uuid) for uuid, text in ids.take_external()}
    assert external == {text: to_uuid(text) for text in texts if not is_canonical(text)}


@pytest.mark.parametrize("text", ["{" + A_UUID[:34] + "}", "é" * 18, A_UUID.replace("-", "_"), A_UUID.replace("-", "")])
def test_a_text_that_only_looks_like_a_uuid_is_an_ordinary_text(text: str) -> None:
    [uuid] = IdColumns().to_uuids(pa.array([text])).tolist()

    assert UUID(bytes=uuid) == to_uuid(text)


def test_a_text_is_told_of_once_until_it_is_forgotten() -> None:
    ids = IdColumns(remembered=2)

    def told(*texts: str) -> list[str]:
        ids.to_uuids(pa.array(texts))
        return [text for _, text in ids.take_external()]

    assert told("a", "b", "a") == ["a", "b"]
    assert told("a", "b") == []
    assert told("c") == ["c"]
    assert told("a") == ["a"]


def test_a_slice_of_a_column_is_read_from_its_own_start() -> None:
    texts = [str(uuid4()) for _ in range(5)]

    uuids = IdColumns().to_uuids(pa.array(texts)[2:])

    assert [UUID(bytes=uuid) for uuid in uuids.tolist()] == [UUID(text) for text in texts[2:]]


def test_ids_that_break_a_rule_are_named_with_it() -> None:
    texts = pa.array(["fine", "", None, " \t", "x" * 512, "é" * 513, "a\0b"])

    found = {reason: mask.tolist() for mask, reason in id_problems(texts, "user")}

    no, yes = False, True
    assert found == {
        "empty user id": [no, yes, yes, yes, no, no, no],
        "user id of more than 512 characters": [no, no, no, no, no, yes, no],
        "user id with a NUL character": [no, no, no, no, no, no, yes],
    }
