"""Buffers that a thread keeps."""

from threading import Thread

import pytest

from core.recommender.reused_buffers import zeros_reused


def address_of(name: str, size: int) -> int:
    with zeros_reused(name, size) as buffer:
        return int(buffer.ctypes.data)


def test_the_same_thread_gets_the_same_buffer_as_long_as_it_is_large_enough() -> None:
    first = address_of("sums", 100)

    assert address_of("sums", 60) == first
    with zeros_reused("sums", 100_000) as larger:
        assert len(larger) == 100_000
        assert not larger.any()


def test_another_thread_and_another_name_get_their_own() -> None:
    with zeros_reused("sums", 10) as mine, zeros_reused("votes", 10) as other_name:
        found: list[int] = []
        thread = Thread(target=lambda: found.append(address_of("sums", 10)))
        thread.start()
        thread.join()
        assert len({mine.ctypes.data, other_name.ctypes.data, *found}) == 3


def test_a_buffer_in_use_is_not_given_twice() -> None:
    with zeros_reused("sums", 10) as outer, zeros_reused("sums", 10) as inner:
        assert outer.ctypes.data != inner.ctypes.data


def fail_with_a_buffer() -> None:
    with zeros_reused("sums", 10) as buffer:
        buffer[3] = 1
        raise ZeroDivisionError


def test_what_a_failure_left_in_a_buffer_is_not_seen_again() -> None:
    with pytest.raises(ZeroDivisionError):
        fail_with_a_buffer()

    with zeros_reused("sums", 10) as next_one:
        assert not next_one.any()
