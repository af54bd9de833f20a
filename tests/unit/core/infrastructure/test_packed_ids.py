from uuid import UUID, uuid4

from core.infrastructure.packed_ids import PackedIds

IDS = tuple(uuid4() for _ in range(5))
PACKED = PackedIds(b"".join(id_.bytes for id_ in IDS))


def test_packed_ids_are_a_sequence_of_ids_like_any_other() -> None:
    assert PACKED == IDS
    assert IDS[:4] != PACKED
    assert (len(PACKED), PACKED[1], PACKED[-1], tuple(PACKED[1:3])) == (5, IDS[1], IDS[4], IDS[1:3])
    assert IDS[3] in PACKED
    assert all(isinstance(id_, UUID) for id_ in PACKED)


def test_no_ids_are_none() -> None:
    assert list(PackedIds(b"")) == []
