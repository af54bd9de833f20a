"""Ids of rows derive from their content."""

from hashlib import blake2b
from uuid import UUID

import numpy as np
import pytest

from core.infrastructure.interaction_rows import UUID_BYTES, InteractionRows

USER, POST, OTHER = (bytes([number]) * 16 for number in (1, 2, 3))
MOMENT = 1_700_000_000_123_456


def rows(*contents: tuple[bytes, bytes, int, int]) -> InteractionRows:
    users, posts, types, moments = zip(*contents, strict=True)
    return InteractionRows(
        np.array(users, UUID_BYTES), np.array(posts, UUID_BYTES), np.array(types, np.uint8), np.array(moments, np.int64)
    )


def content_ids(*contents: tuple[bytes, bytes, int, int]) -> list[UUID]:
    return [UUID(bytes=row_id) for row_id in rows(*contents).content_ids().tolist()]


def test_equal_content_has_an_equal_id_in_any_company() -> None:
    content, other = (USER, POST, 0, MOMENT), (OTHER, POST, 0, MOMENT)

    [first, between, last] = content_ids(content, other, content)

    assert [first] == [last] == content_ids(content)
    assert [between] == content_ids(other)


@pytest.mark.parametrize(
    "other", [(OTHER, POST, 0, MOMENT), (USER, OTHER, 0, MOMENT), (USER, POST, 1, MOMENT), (USER, POST, 0, MOMENT + 1)]
)
def test_any_other_content_has_another_id(other: tuple[bytes, bytes, int, int]) -> None:
    assert len(set(content_ids((USER, POST, 0, MOMENT), other))) == 2


def test_ids_are_the_same_on_every_machine_and_in_every_release() -> None:
    hashed = blake2b(USER + POST + b"like\0\0\0\0" + MOMENT.to_bytes(8, "big"), digest_size=16).digest()
    plain = (MOMENT // 1000 << 80) | (int.from_bytes(hashed, "big") & (1 << 80) - 1)
    plain = plain & ~(0xF << 76) & ~(0b11 << 62) | 8 << 76 | 0b10 << 62

    [found] = content_ids((USER, POST, 2, MOMENT))

    assert found == UUID(int=plain) == UUID("018bcfe5-687b-87e2-9758-985c481d64e0")


def test_ids_are_proper_uuids_that_sort_by_time() -> None:
    moments = [0, 1_000, MOMENT, MOMENT + 1_000]

    found = content_ids(*((USER, POST, 0, moment) for moment in moments))

    assert found == sorted(found)
    assert {(uuid.version, uuid.variant) for uuid in found} == {(8, "specified in RFC 4122")}


def test_no_rows_have_no_ids() -> None:
    assert len(rows((USER, POST, 0, MOMENT)).content_ids()) == 1
    empty = InteractionRows(
        np.empty(0, UUID_BYTES), np.empty(0, UUID_BYTES), np.empty(0, np.uint8), np.empty(0, np.int64)
    )
    assert len(empty.content_ids()) == 0
