"""Seats for callers who wait."""

import pytest

from core.application.waiting_room import WaitingRoom


def test_there_are_as_many_seats_as_were_set_up_and_whoever_leaves_makes_room() -> None:
    room = WaitingRoom(2)

    with room.seat() as first, room.seat() as second, room.seat() as third:
        assert (first, second, third) == (True, True, False)
        assert room.taken == 2
    assert room.taken == 0
    with room.seat() as again:
        assert again


def test_a_caller_who_is_cut_off_leaves_his_seat() -> None:
    room = WaitingRoom(1)

    with pytest.raises(ConnectionResetError), room.seat():
        raise ConnectionResetError
    with room.seat() as again:
        assert again
