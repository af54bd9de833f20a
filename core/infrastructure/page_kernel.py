"""The kernel that writes first pages, as text and compressed at the same time."""

from typing import Any

import numpy as np
from numba import types

from core.recommender.compiled import arrays_of, compiled, outputs_of, part_of_kernels

RECORD_BYTES = 20
_ID_BYTES, _HEX = 16, np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_DASH, _ZERO, _POINT, _E, _SIX, _ONE = (np.uint8(ord(letter)) for letter in "-0.e61")
_SCORE_STEPS, _SCORE_MASK, _LEAST_PLAIN = 1_000_000, 0xFFFFFF, 10
_SHORTEST_MATCH = 3
_AFTER_DASHES = (4, 6, 8, 10)
_WORD_BITS, _WORD, _WIDTH_SHIFT = 32, np.uint64(0xFFFFFFFF), np.uint64(32)
# A length of 0 and its complement, in 32 bits.
_EMPTY = np.uint64(0xFFFF0000 | 32 << 32)


@part_of_kernels
def _put(out: Any, writer: Any, code: Any) -> Any:
    """Write bits, whole words at a time. writer: the next word, the bits that wait for it, and how many they are."""
    place, held, count = writer
    held |= (code & _WORD) << np.uint64(count)
    count += np.int64(code >> _WIDTH_SHIFT)
    if count >= _WORD_BITS:
        out[place] = np.uint32(held & _WORD)
        place += 1
        held >>= np.uint64(_WORD_BITS)
        count -= _WORD_BITS
    return place, held, count


@part_of_kernels
def _put_all(out: Any, writer: Any, codes: Any) -> Any:
    for code in codes:
        writer = _put(out, writer, code)
    return writer


@part_of_kernels
def _put_text(out: Any, writer: Any, literals: Any, written: Any) -> Any:
    for byte in written:
        writer = _put(out, writer, literals[byte])
    return writer


@part_of_kernels
def _write(text: Any, end: Any, written: Any) -> Any:
    text[end : end + len(written)] = written
    return end + len(written)


@part_of_kernels
def _write_id(  # noqa: PLR0917 - kernels know plain arrays only
    text: Any, end: Any, out: Any, writer: Any, record: Any, dash: Any, pairs: Any
) -> Any:
    for place in range(_ID_BYTES):
        if place in _AFTER_DASHES:
            text[end] = _DASH
            end += 1
            writer = _put(out, writer, dash)
        text[end], text[end + 1] = _HEX[record[place] >> 4], _HEX[record[place] & 15]
        end += 2
        writer = _put(out, writer, pairs[record[place]])
    return end, writer


@part_of_kernels
def _write_score(text: Any, end: Any, millionths: Any) -> Any:
    """As short as it can be, as msgspec writes it."""
    if millionths >= _SCORE_STEPS:
        text[end], text[end + 1], text[end + 2] = _ONE, _POINT, _ZERO
        return end + 3
    if 0 < millionths < _LEAST_PLAIN:
        text[end], text[end + 1], text[end + 2], text[end + 3] = _ZERO + np.uint8(millionths), _E, _DASH, _SIX
        return end + 4
    text[end], text[end + 1], text[end + 2] = _ZERO, _POINT, _ZERO
    step, end = _SCORE_STEPS // 10, end + 2
    while millionths:
        text[end] = _ZERO + np.uint8(millionths // step)
        millionths, step, end = millionths % step, step // 10, end + 1
    return end + np.int64(text[end - 1] == _POINT)


@part_of_kernels
def _write_digits(text: Any, end: Any, number: Any) -> Any:
    step = 1
    while number // step >= 10:
        step *= 10
    while step:
        text[end] = _ZERO + np.uint8(number // step % 10)
        step, end = step // 10, end + 1
    return end


_CODES = arrays_of(types.uint64)
_TEXT = arrays_of(types.uint8)


@compiled(
    types.void, _TEXT, arrays_of(types.int64), _TEXT, _TEXT, _TEXT, _TEXT, arrays_of(types.uint8, 2),
    arrays_of(types.int64), _TEXT, _TEXT, _TEXT, _CODES, _CODES, _CODES, _CODES, _CODES, _CODES,
    outputs_of(types.uint8, 2), outputs_of(types.uint32, 2), outputs_of(types.int64, 2),
)  # fmt: skip
def write_pages(  # noqa: PLR0917, PLR0915 - kernels know plain arrays only; one pass over each page
    records: Any, starts: Any, opening: Any, before_id: Any, before_score: Any, before_reason: Any, reasons: Any,
    reason_lengths: Any, between: Any, before_count: Any, closing: Any, literals: Any, pairs: Any, lengths: Any,
    distances: Any, beginning: Any, ending: Any, texts: Any, deflated: Any, sizes: Any,
) -> None:  # fmt: skip
    """Write a page of each feed's recommendations.

    records: RECORD_BYTES each, as PackedRecommendations has them; starts: (q + 1,), in records; opening to closing:
    the text between what differs; reasons: (r, longest) and how long; literals to ending: see Codes. Writes texts and
    deflated: (q, room) each, in bytes and in words; sizes: (q, 2), how many bytes of them.
    """
    for feed in range(len(starts) - 1):
        text, out = texts[feed], deflated[feed]
        writer = _put_all(out, (np.int64(0), np.uint64(0), np.int64(0)), beginning)
        end = _write(text, np.int64(0), opening)
        first, last = starts[feed], starts[feed + 1]
        if last > first:
            end = _write(text, end, before_id)
        writer = _put_text(out, writer, literals, text[:end])
        last_middle, last_tail, last_reason, last_between = np.int64(0), np.int64(0), np.int64(-1), np.int64(0)
        for item in range(first, last):
            record = records[item * RECORD_BYTES : (item + 1) * RECORD_BYTES]
            end, writer = _write_id(text, end, out, writer, record, literals[_DASH], pairs)

            middle = end
            end = _write(text, end, before_score)
            score = end
            millionths = (np.int64(record[16]) | np.int64(record[17]) << 8 | np.int64(record[18]) << 16) & _SCORE_MASK
            end = _write_score(text, end, millionths)
            spelt = middle
            if item > first:
                last_score = last_middle + len(before_score)
                same = text[score] == text[last_score] and text[score + 1] == text[last_score + 1]
                spelt = score + 2 * np.int64(same)
                writer = _put(out, writer, lengths[spelt - middle])
                writer = _put(out, writer, distances[middle - last_middle])
            writer = _put_text(out, writer, literals, text[spelt:end])

            tail, reason = end, np.int64(record[19])
            end = _write(text, end, before_reason)
            word = end
            end = _write(text, end, reasons[reason, : reason_lengths[reason]])
            gap = end
            end = _write(text, end, between if item + 1 < last else between[:2])
            if reason == last_reason:
                writer = _put(out, writer, lengths[end - tail])
                writer = _put(out, writer, distances[tail - last_tail])
            elif item == first:
                writer = _put_text(out, writer, literals, text[tail:end])
            else:
                writer = _put(out, writer, lengths[word - tail])
                writer = _put(out, writer, distances[tail - last_tail])
                writer = _put_text(out, writer, literals, text[word:gap])
                if end - gap >= _SHORTEST_MATCH:
                    writer = _put(out, writer, lengths[end - gap])
                    writer = _put(out, writer, distances[gap - last_between])
                else:
                    writer = _put_text(out, writer, literals, text[gap:end])
            last_middle, last_tail, last_reason, last_between = middle, tail, reason, gap

        closed = end
        end = _write(text, end, before_count)
        end = _write_digits(text, end, last - first)
        end = _write(text, end, closing)
        writer = _put_text(out, writer, literals, text[closed:end])
        writer = _put(out, writer, ending[0])
        # A block of nothing, as it is, which begins at a whole byte (RFC 1951, 3.2.4): so does what is put behind it.
        padded = (writer[2] + 3 + 7) // 8 * 8
        writer = _put(out, writer, np.uint64(padded - writer[2]) << _WIDTH_SHIFT)
        place, held, count = _put(out, writer, _EMPTY)
        out[place] = np.uint32(held & _WORD)
        sizes[feed, 0], sizes[feed, 1] = end, 4 * place + count // 8
