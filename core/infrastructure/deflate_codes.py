"""A Huffman code made for first pages: known beforehand, so that no page is looked at twice."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# RFC 1951, 3.2.5: symbols of lengths begin with 257; (first length or distance, extra bits) of each symbol.
FIRST_LENGTH_SYMBOL, END_OF_BLOCK = 257, 256
_LENGTHS = [*((length, 0) for length in range(3, 11)), *((11 + 2 * step, 1) for step in range(4)),
            *((19 + 4 * step, 2) for step in range(4)), *((35 + 8 * step, 3) for step in range(4))]  # fmt: skip
_DISTANCES = [(1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (7, 1), (9, 2), (13, 2), (17, 3), (25, 3), (33, 4), (49, 4),
              (65, 5), (97, 5), (129, 6), (193, 6)]  # fmt: skip
# The order in which a block tells the lengths of the code in which it tells lengths: RFC 1951, 3.2.7.
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_LONGEST_ZERO_RUN, _SHORTEST_ZERO_RUN = 138, 11
_LONGEST_CODE, _LONGEST_CODE_OF_LENGTHS = 15, 7

# How often in a page of fifty; what comes once or seldom counts one. Lengths: between the id and the score, and from
# there to the next id, with either reason; distances: from post to post.
_LITERALS = {chr(letter): 1 for letter in range(0x20, 0x7F)} | dict.fromkeys('etariocnl_":', 3)
_LITERALS |= dict.fromkeys("0123456789", 130) | dict.fromkeys("abcdef", 100) | {"-": 200}
_SYMBOLS_OF_LENGTHS = dict.fromkeys(range(FIRST_LENGTH_SYMBOL, FIRST_LENGTH_SYMBOL + len(_LENGTHS)), 1) | {
    265: 48, 272: 25, 274: 25
}  # fmt: skip
_SYMBOLS_OF_DISTANCES = dict.fromkeys(range(8, len(_DISTANCES)), 1) | {12: 50, 13: 50}


class Codes(NamedTuple):
    """uint64: up to 32 bits, the first of them lowest, and above them how many they are.

    literals: (256,), of each byte, no bits for one that cannot be written; pairs: (256,), of each byte's two
    hexadecimal digits; lengths: (67,), of matches of so many bytes, with their extra bits; distances: (257,), so far
    back; beginning: (n,), of a block that is not the last, with the code itself; end: (1,), of the block.
    """

    literals: NDArray[np.uint64]
    pairs: NDArray[np.uint64]
    lengths: NDArray[np.uint64]
    distances: NDArray[np.uint64]
    beginning: NDArray[np.uint64]
    end: NDArray[np.uint64]


@cache
def page_codes() -> Codes:
    """The same in every process and for every page."""
    symbols = {ord(letter): count for letter, count in _LITERALS.items()} | _SYMBOLS_OF_LENGTHS | {END_OF_BLOCK: 1}
    widths, distance_widths = code_widths(symbols), code_widths(_SYMBOLS_OF_DISTANCES)
    codes, distance_codes = _codes(widths), _codes(distance_widths)
    literals = _table(256, {symbol: code for symbol, code in codes.items() if symbol < END_OF_BLOCK})
    digits = [codes[ord(digit)] for digit in "0123456789abcdef"]
    lengths = _with_extra_bits({symbol - FIRST_LENGTH_SYMBOL: code for symbol, code in codes.items()}, _LENGTHS)
    return Codes(
        literals,
        _table(256, {16 * high + low: _joined(digits[high], digits[low]) for high in range(16) for low in range(16)}),
        _table(max(lengths) + 1, lengths),
        _table(257, _with_extra_bits(distance_codes, _DISTANCES)),
        _packed(_beginning(widths, distance_widths)),
        _packed([codes[END_OF_BLOCK]]),
    )


def code_widths(counts: Mapping[int, int]) -> dict[int, int]:
    """Of at least two symbols that come so often the bits that Huffman's code takes for each.

    Huffman, A method for the construction of minimum-redundancy codes, 1952.
    """
    heap = [(count, symbol, {symbol: 0}) for symbol, count in sorted(counts.items())]
    heapq.heapify(heap)
    while len(heap) > 1:
        (fewest, first, one), (fewer, _, other) = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, (fewest + fewer, first, {symbol: width + 1 for symbol, width in (one | other).items()}))
    return heap[0][2]


def _codes(widths: Mapping[int, int]) -> dict[int, tuple[int, int]]:
    """Bits and how many: counted up within a width, and from width to width (RFC 1951, 3.2.2)."""
    if max(widths.values()) > _LONGEST_CODE:
        raise ValueError(f"the counts make codes of more than {_LONGEST_CODE} bits")
    codes, code, last = dict[int, tuple[int, int]](), 0, 0
    for width, symbol in sorted((width, symbol) for symbol, width in widths.items()):
        code <<= width - last
        codes[symbol] = (int(f"{code:0{width}b}"[::-1], 2), width)
        code, last = code + 1, width
    return codes


def _joined(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    return first[0] | second[0] << first[1], first[1] + second[1]


def _with_extra_bits(
    codes: Mapping[int, tuple[int, int]], steps: Sequence[tuple[int, int]]
) -> dict[int, tuple[int, int]]:
    """By number instead of by symbol: the number's distance from its symbol's first follows as so many bits."""
    return {
        least + extra: _joined(codes[symbol], (extra, width))
        for symbol, (least, width) in enumerate(steps)
        if symbol in codes
        for extra in range(1 << width)
    }


def _table(size: int, codes: Mapping[int, tuple[int, int]]) -> NDArray[np.uint64]:
    return _packed(codes.get(place, (0, 0)) for place in range(size))


def _packed(codes: Iterable[tuple[int, int]]) -> NDArray[np.uint64]:
    return np.array([bits | width << 32 for bits, width in codes], dtype=np.uint64)


def _beginning(widths: Mapping[int, int], distance_widths: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Not the last block, codes of its own; then their widths, in a code whose own widths come first."""
    literals, distances = max(widths) + 1, max(distance_widths) + 1
    told = list(_runs([*(widths.get(symbol, 0) for symbol in range(literals)),
                       *(distance_widths.get(symbol, 0) for symbol in range(distances))]))  # fmt: skip
    used = [symbol for symbol, _ in told]
    of_widths = code_widths({symbol: used.count(symbol) for symbol in used})
    if max(of_widths.values()) > _LONGEST_CODE_OF_LENGTHS:
        raise ValueError(f"the counts make codes of widths of more than {_LONGEST_CODE_OF_LENGTHS} bits")
    codes = _codes(of_widths)
    yield from ((0, 1), (2, 2), (literals - 257, 5), (distances - 1, 5), (len(_ORDER) - 4, 4))
    yield from ((of_widths.get(symbol, 0), 3) for symbol in _ORDER)
    for symbol, extra in told:
        yield codes[symbol]
        if extra is not None:
            yield (extra, 7)


def _runs(widths: Sequence[int]) -> Iterator[tuple[int, int | None]]:
    """Symbols of widths; long runs of zeros are one symbol, 18, and how long."""
    for width, same in groupby(widths):
        left = len(list(same))
        while width == 0 and left >= _SHORTEST_ZERO_RUN:
            run = min(left, _LONGEST_ZERO_RUN)
            yield 18, run - _SHORTEST_ZERO_RUN
            left -= run
        yield from ((width, None) for _ in range(left))
