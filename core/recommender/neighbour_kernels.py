"""Kernels: queries meet the inverted lists, the best rows are kept, and what those rows hold is voted on.

A key is one unsigned 64-bit number for a value and its row: the bits of the positive float32 above, the complement of
the row below. The higher key is the higher value, or the lower row among equals, so that no two keys are equal and the
best k do not depend on the order in which rows are met. 0 is no key.
"""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from core.recommender.compiled import arrays_of, compiled, outputs_of, part_of_kernels
from core.recommender.inverted_index import LANES
from core.recommender.prefetch import prefetch

LAST_ROW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
BISECTIONS = 14
"""Steps towards the k-th highest value: more would hardly lower the number of those that pass."""
LISTS_AHEAD, ROWS_AHEAD = 2, 4
"""The beginning of a list or row is fetched from memory while so many before it are read."""
ROW_PREFIX, LIST_PREFIX, LINE = 32, 128, 16
"""Entries of a row and of a list that are fetched ahead, and of 4 bytes in one line of a cache."""
ROWS_AT_A_GLANCE = 32
"""So many sums are compared with a threshold at once, and looked at one by one where any reaches it."""
SPARSE_SHARE = 8
"""Sums are visited along the lists instead of one by one where fewer than one in so many was added to."""


def unpacked(best: NDArray[np.uint64], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Rows and values of the k highest keys of each query, from the highest to the lowest, -1 and 0 for no key.

    Sorts the keys in place.
    """
    best.sort(axis=1)
    ordered = best[:, ::-1][:, :k]
    rows = (LAST_ROW - (ordered & LAST_ROW)).astype(np.int64).astype(np.int32)
    return np.where(ordered > 0, rows, np.int32(-1)), (ordered >> HALF).astype(np.uint32).view(np.float32)


def rekeyed(keys: NDArray[np.uint64], rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """(n,): the keys of the same values with the rows that have their rows' places in `rows`; none of them is 0."""
    moved = LAST_ROW - rows[LAST_ROW - (keys & LAST_ROW)].astype(np.uint64)
    keys_moved: NDArray[np.uint64] = (keys & ~LAST_ROW) | moved
    return keys_moved


@part_of_kernels
def _key(bits: Any, row: Any) -> Any:
    return (np.uint64(bits) << HALF) | (LAST_ROW - np.uint64(row))


@part_of_kernels
def _sink(heap: Any, place: Any, key: Any) -> None:
    """Put the key at this place of a heap whose smallest key is at 0, or below it; what was at the place is gone."""
    child = 2 * place + 1
    while child < len(heap):
        if child + 1 < len(heap) and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[place] = heap[child]
        place = child
        child = 2 * place + 1
    heap[place] = key


@part_of_kernels
def _add_lists(
    columns: Any, weights: Any, block: Any, blocks: Any, starts: Any, local_rows: Any, values: Any, sums: Any
) -> Any:
    """Add weight times value to the sum of each row in the lists of the columns; gives the number of additions."""
    additions = 0
    for place in range(len(columns)):
        if place + LISTS_AHEAD < len(columns):
            coming = np.int64(starts[np.uint64(columns[place + LISTS_AHEAD] * blocks + block)])
            prefetch(local_rows, coming)
            prefetch(values, coming)
        list_place = np.uint64(columns[place] * blocks + block)
        first, last = np.uint64(starts[list_place]), np.uint64(starts[list_place + 1])
        rows, list_values, weight = local_rows[first:last], values[first:last], weights[place]
        for entry in range(len(rows)):
            sums[rows[entry]] += weight * list_values[entry]
        additions += len(rows)
    return additions


@part_of_kernels
def _lane_maxima(bits: Any, maxima: Any) -> None:
    """The highest of each lane; positive floats compare like the integers of the same bits."""
    maxima[:] = 0
    for first in range(0, len(bits), LANES):
        layer = bits[first : first + LANES]
        for lane in range(LANES):
            maxima[lane] = max(maxima[lane], layer[lane])


@part_of_kernels
def _count_at_least(values: Any, threshold: Any) -> Any:
    count = np.int32(0)
    for place in range(len(values)):
        count += np.int32(values[place] >= threshold)
    return count


@part_of_kernels
def _raised(threshold: Any, values: Any, k: Any) -> Any:
    """A threshold that is not below the given one, and that at least k values reach if that many reach the given one.

    With the highest values of lanes, the k-th highest of all rows reaches it too: each such lane has one that does.
    """
    if _count_at_least(values, threshold) <= k:
        return threshold
    low, high = threshold, np.int32(values.max() + 1)
    for _ in range(BISECTIONS):
        middle = np.int32((np.int64(low) + np.int64(high)) >> 1)
        if _count_at_least(values, middle) >= k:
            low = middle
        else:
            high = middle
    return low


@part_of_kernels
def _keep_from_lanes(bits: Any, maxima: Any, first_row: Any, best: Any) -> None:
    """Put the rows of a block that are among the best so far into the heap."""
    threshold = _raised(max(np.int32(1), np.int32(best[0] >> HALF)), maxima, len(best))
    for first in range(0, len(bits), ROWS_AT_A_GLANCE):
        some = bits[first : first + ROWS_AT_A_GLANCE]
        if _count_at_least(some, threshold):
            for place in range(len(some)):
                if some[place] >= threshold:
                    key = _key(some[place], first_row + first + place)
                    if key > best[0]:
                        _sink(best, 0, key)


@part_of_kernels
def _keep_along_lists(
    columns: Any, block: Any, blocks: Any, starts: Any, local_rows: Any, bits: Any, first_row: Any, best: Any
) -> None:
    """The same where few rows were added to; leaves all sums at 0."""
    for place in range(len(columns)):
        list_place = np.uint64(columns[place] * blocks + block)
        first, last = np.uint64(starts[list_place]), np.uint64(starts[list_place + 1])
        for local_row in local_rows[first:last]:
            reached = bits[local_row]
            bits[local_row] = 0
            if reached >= np.int32(best[0] >> HALF) and reached > 0:
                key = _key(reached, first_row + np.int64(local_row))
                if key > best[0]:
                    _sink(best, 0, key)


@part_of_kernels
def _meet_block(
    columns: Any, weights: Any, own_row: Any, block: Any, blocks: Any, starts: Any, local_rows: Any, values: Any,
    first_row: Any, sums: Any, maxima: Any, best: Any,
) -> None:  # fmt: skip
    """One query against one block of rows. sums: (rows of the block up to whole lanes,), all 0 before and after."""
    additions = _add_lists(columns, weights, block, blocks, starts, local_rows, values, sums)
    if additions == 0:
        return
    if first_row <= own_row < first_row + len(sums):
        sums[own_row - first_row] = 0
    bits = sums.view(np.int32)
    if additions * SPARSE_SHARE < len(sums):
        _keep_along_lists(columns, block, blocks, starts, local_rows, bits, first_row, best)
    else:
        _lane_maxima(bits, maxima)
        _keep_from_lanes(bits, maxima, first_row, best)
        sums[:] = 0


ROWS = (arrays_of(types.int64), arrays_of(types.int32), arrays_of(types.float32))
INDEX = (arrays_of(types.uint32), arrays_of(types.uint16), arrays_of(types.float32), types.int64, types.int64)
BARRED = (arrays_of(types.int64), arrays_of(types.int32), arrays_of(types.boolean))
KEYS = outputs_of(types.uint64, 2)


@compiled(
    types.void, types.int64, types.int64, *ROWS, arrays_of(types.int64), *INDEX, outputs_of(types.float32), KEYS,
)  # fmt: skip
def nearest(
    first: int, last: int, starts: Any, columns: Any, weights: Any, own_rows: Any, list_starts: Any, local_rows: Any,
    values: Any, row_count: int, block_rows: int, sums: Any, best: Any,
) -> None:  # fmt: skip
    """Find the rows with the highest sums of products with each query.

    Queries first up to last of SparseRows (starts, columns, weights); own_rows: (queries,), the row that is not to be
    met, -1 for none. list_starts to block_rows: an InvertedIndex. sums: (block_rows,), all 0 before and after. Writes
    best: (last - first, k), the keys in no order, 0 where there are fewer; all 0 before.
    """
    maxima = np.empty(LANES, dtype=np.int32)
    blocks = max(1, (row_count + block_rows - 1) // block_rows)
    for query in range(first, last):
        begin, end = starts[query], starts[query + 1]
        for block in range(blocks):
            first_row = block * block_rows
            height = (min(block_rows, row_count - first_row) + LANES - 1) // LANES * LANES
            _meet_block(
                columns[begin:end], weights[begin:end], own_rows[query], block, blocks, list_starts, local_rows, values,
                first_row, sums[:height], maxima, best[query - first],
            )  # fmt: skip


@part_of_kernels
def _longest_whole(columns: Any, lengths: Any, budget: Any) -> Any:
    """The length up to which all lists of the columns together have no more entries than the budget."""
    low, high = np.int64(0), np.int64(budget)
    while low < high:
        middle = (low + high + 1) >> 1
        total = np.int64(0)
        for column in columns:
            total += lengths[column] if lengths[column] <= middle else 0
        if total <= budget:
            low = middle
        else:
            high = middle - 1
    return low


@part_of_kernels
def _shared_out(columns: Any, lengths: Any, budget: Any, met: Any) -> None:
    """Write how many entries of each column's list are met: whole lists, the shortest first, then a part of one."""
    whole = _longest_whole(columns, lengths, budget)
    left, following = np.int64(budget), np.int64(2**62)
    for place in range(len(columns)):
        length = lengths[columns[place]]
        met[place] = length if length <= whole else 0
        left -= met[place]
        following = min(following, length if length > whole else following)
    for place in range(len(columns)):
        if lengths[columns[place]] == following:
            met[place] = min(left, following)
            left -= met[place]


@part_of_kernels
def _fetch_ahead(columns: Any, met: Any, blocks: Any, starts: Any, local_rows: Any, values: Any) -> None:
    """Have the lists that are met brought from memory, all at once, as far as they are short."""
    for place in range(len(columns)):
        if met[place] > 0:
            coming = np.int64(starts[np.uint64(columns[place]) * np.uint64(blocks)])
            for line in range(0, min(met[place], LIST_PREFIX), LINE):
                prefetch(values, coming + line)
                prefetch(local_rows, coming + line)


@part_of_kernels
def _add_part(
    met: Any, length: Any, place: Any, weight: Any, blocks: Any, block_rows: Any, starts: Any, local_rows: Any,
    values: Any, sums: Any, found: Any, count: Any,
) -> Any:  # fmt: skip
    """Add what is met of one column's list, from each block its part; notes the rows and gives how many are noted."""
    last = np.uint64(starts[place])
    for block in range(blocks):
        first, last = last, np.uint64(starts[place + np.uint64(block) + np.uint64(1)])
        part = last - first if met == length else np.uint64(np.int64(last - first) * met // length)
        rows, list_values = local_rows[first : first + part], values[first : first + part]
        for entry in range(len(rows)):
            row = np.uint32(block * block_rows + rows[entry])
            found[count] = row
            count += 1
            sums[row] += weight * list_values[entry]
    return count


@compiled(
    types.void, types.int64, types.int64, *ROWS, arrays_of(types.int64), *INDEX, arrays_of(types.int64), types.int64,
    outputs_of(types.float32), KEYS,
)  # fmt: skip
def nearest_within(
    first: int, last: int, starts: Any, columns: Any, weights: Any, own_rows: Any, list_starts: Any, local_rows: Any,
    values: Any, row_count: int, block_rows: int, lengths: Any, budget: int, sums: Any, best: Any,
) -> None:  # fmt: skip
    """Do as `nearest`, with at most `budget` additions a query, spent on the columns with the shortest lists first.

    lengths: (columns,) of the lists. sums: (rows,), all 0 before and after: what is added to is noted and visited
    again, so that rows do not count.
    """
    blocks = max(1, (row_count + block_rows - 1) // block_rows)
    bits, maxima = sums.view(np.int32), np.empty(LANES, dtype=np.int32)
    room = min(budget, len(values)) // LANES * LANES + LANES
    found, reached = np.empty(room, dtype=np.uint32), np.empty(room, dtype=np.int32)
    met = np.empty(0, dtype=np.int64)
    for query in range(first, last):
        asked, asked_weights = columns[starts[query] : starts[query + 1]], weights[starts[query] : starts[query + 1]]
        if len(asked) > len(met):
            met = np.empty(2 * len(asked), dtype=np.int64)
        _shared_out(asked, lengths, budget, met)
        count = 0
        _fetch_ahead(asked, met, blocks, list_starts, local_rows, values)
        for place in range(len(asked)):
            if met[place] > 0:
                count = _add_part(
                    met[place], lengths[asked[place]], np.uint64(asked[place]) * np.uint64(blocks),
                    asked_weights[place], blocks, block_rows, list_starts, local_rows, values, sums, found, count,
                )  # fmt: skip
        if own_rows[query] >= 0:
            sums[own_rows[query]] = 0
        for candidate in range(count):
            reached[candidate] = bits[found[candidate]]
            bits[found[candidate]] = 0
        layers = (count + LANES - 1) // LANES * LANES
        reached[count:layers] = 0
        _lane_maxima(reached[:layers], maxima)
        _keep_candidates(
            found[:count], reached[:count], _raised(np.int32(1), maxima, best.shape[1]), best[query - first]
        )


@part_of_kernels
def _entries_of(rows: Any, starts: Any) -> Any:
    total = 0
    for row in rows:
        if row >= 0:
            total += starts[row + 1] - starts[row]
    return total


@part_of_kernels
def _places_below(rows: Any, count: Any, places: Any) -> None:
    """Write each row that is below the count, -1 for others."""
    for rank in range(len(rows)):
        places[rank] = rows[rank] if rows[rank] < count else -1


@part_of_kernels
def _places_among(rows: Any, rising: Any, places: Any) -> None:
    """Write where each row is among the rising ones, -1 for nowhere. Which half is next is no branch to be guessed."""
    for rank in range(len(rows)):
        first: Any = 0
        left = len(rising)
        while left > 1:
            half = left >> 1
            first += half * np.int64(rising[first + half] <= rows[rank])
            left -= half
        places[rank] = first if left and rising[first] == rows[rank] else -1


@part_of_kernels
def _add_votes(
    places: Any, similarities: Any, share: Any, starts: Any, columns: Any, weights: Any, votes: Any, found: Any,
    count: Any,
) -> Any:  # fmt: skip
    """Add share times similarity times weight to the votes of each column of the rows in these places.

    Places below 0 are none. Notes the columns and gives how many are noted.
    """
    for rank in range(len(places)):
        if rank + ROWS_AHEAD < len(places):
            coming = starts[max(0, places[rank + ROWS_AHEAD])]
            for line in range(0, ROW_PREFIX, LINE):
                prefetch(columns, coming + line)
                prefetch(weights, coming + line)
        if places[rank] < 0:
            continue
        weight = share * similarities[rank]
        for entry in range(starts[places[rank]], starts[places[rank] + 1]):
            column = np.uint32(columns[entry])
            found[count] = column
            count += np.int64(votes[column] == 0)
            votes[column] += weight * weights[entry]
    return count


@part_of_kernels
def _keep_candidates(rows: Any, bits: Any, threshold: Any, best: Any) -> None:
    """Put the highest of the values that reach the threshold and their rows into `best`, which is all 0 before."""
    count: Any = 0
    for candidate in range(len(rows)):
        if bits[candidate] >= threshold:
            key = _key(bits[candidate], rows[candidate])
            if count < len(best):
                best[count] = key
                count += 1
                if count == len(best):
                    for place in range(len(best) // 2 - 1, -1, -1):
                        _sink(best, place, best[place])
            elif key > best[0]:
                _sink(best, 0, key)


@part_of_kernels
def _keep_wanted(seen: Any, blocked: Any, votes: Any, found: Any, reached: Any, best: Any) -> None:
    """Put the columns found with the highest votes, but for those seen and blocked, into `best`.

    Leaves all votes at 0.
    """
    bits = votes.view(np.int32)
    for column in seen:
        votes[column] = 0
    for candidate in range(len(found)):
        reached[candidate] = bits[found[candidate]]
        bits[found[candidate]] = 0
    if len(blocked):
        for candidate in range(len(found)):
            if blocked[found[candidate]]:
                reached[candidate] = 0
    _keep_candidates(found, reached[: len(found)], _raised(np.int32(1), reached[: len(found)], len(best)), best)


@compiled(
    types.void, types.int64, types.int64, arrays_of(types.int32, 2), arrays_of(types.float32, 2), *ROWS,
    types.float32, arrays_of(types.int32), *ROWS, *BARRED, outputs_of(types.float32), KEYS,
)  # fmt: skip
def voted(
    first: int, last: int, neighbours: Any, similarities: Any, row_starts: Any, row_columns: Any, row_weights: Any,
    fade: float, tail_rows: Any, tail_starts: Any, tail_columns: Any, tail_weights: Any, seen_starts: Any,
    seen_columns: Any, blocked: Any, votes: Any, best: Any,
) -> None:  # fmt: skip
    """Find the columns with the highest sums of similarity times weight over the neighbours, none of those barred.

    neighbours, similarities: (last - first, k), -1 at the end where there are fewer, of the queries first up to last;
    row_starts to row_weights: SparseRows of the learned users; fade to tail_weights: TailVotes; seen_starts to blocked:
    Barred. votes: (columns,), all 0 before and after. Writes best: (last - first, limit), as `nearest` does.
    """
    found, reached = np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int32)
    learned, late = np.empty(neighbours.shape[1], dtype=np.int64), np.empty(neighbours.shape[1], dtype=np.int64)
    for place in range(last - first):
        _places_below(neighbours[place], len(row_starts) - 1, learned)
        _places_among(neighbours[place], tail_rows, late)
        room = _entries_of(learned, row_starts) + _entries_of(late, tail_starts) + 1
        if room > len(found):
            found, reached = np.empty(2 * room, dtype=np.uint32), np.empty(2 * room, dtype=np.int32)
        alike, count = similarities[place], np.int64(0)
        count = _add_votes(learned, alike, fade, row_starts, row_columns, row_weights, votes, found, count)
        count = _add_votes(late, alike, np.float32(1), tail_starts, tail_columns, tail_weights, votes, found, count)
        seen = seen_columns[seen_starts[first + place] : seen_starts[first + place + 1]]
        _keep_wanted(seen, blocked, votes, found[:count], reached, best[place])


@part_of_kernels
def _add_row(columns: Any, values: Any, weight: Any, votes: Any, found: Any, count: Any) -> Any:
    """Add weight times value to the votes of the row's columns; notes the new ones, gives how many are noted."""
    for entry in range(len(columns)):
        added = weight * values[entry]
        # What is too little for a float would have its column noted again and again.
        if added > 0:
            column = np.uint32(columns[entry])
            found[count] = column
            count += np.int64(votes[column] == 0)
            votes[column] += added
    return count


@compiled(
    types.void, types.int64, types.int64, *ROWS, *ROWS, *BARRED, outputs_of(types.float32), KEYS,
)  # fmt: skip
def best_products(
    first: int, last: int, starts: Any, columns: Any, weights: Any, row_starts: Any, row_columns: Any,
    row_values: Any, seen_starts: Any, seen_columns: Any, blocked: Any, votes: Any, best: Any,
) -> None:  # fmt: skip
    """Find the columns with the highest sums of products of a query and the rows, none of those barred.

    Queries first up to last of SparseRows (starts, columns, weights), whose columns are rows of the SparseRows
    (row_starts, row_columns, row_values), not negative; the rest as in `voted`.
    """
    found, reached = np.empty(len(votes) + 1, dtype=np.uint32), np.empty(len(votes), dtype=np.int32)
    for query in range(first, last):
        count: Any = 0
        for place in range(starts[query], starts[query + 1]):
            begin, end = row_starts[columns[place]], row_starts[columns[place] + 1]
            count = _add_row(row_columns[begin:end], row_values[begin:end], weights[place], votes, found, count)
        seen = seen_columns[seen_starts[query] : seen_starts[query + 1]]
        _keep_wanted(seen, blocked, votes, found[:count], reached, best[query - first])


@compiled(
    types.void, types.int64, types.int64, *ROWS, arrays_of(types.int64), *INDEX, arrays_of(types.float32), *ROWS,
    *BARRED, outputs_of(types.float32), outputs_of(types.float32), KEYS,
)  # fmt: skip
def voted_by_reached(
    first: int, last: int, starts: Any, columns: Any, weights: Any, own_rows: Any, list_starts: Any, local_rows: Any,
    values: Any, row_count: int, block_rows: int, thresholds: Any, row_starts: Any, row_columns: Any, row_weights: Any,
    seen_starts: Any, seen_columns: Any, blocked: Any, sums: Any, votes: Any, best: Any,
) -> None:  # fmt: skip
    """Do as `voted` with all rows for neighbours whose sum of products with the query reaches their own threshold.

    thresholds: (rows,), positive; the queries, index and sums: as in `nearest`.
    """
    found, reached = np.empty(len(votes) + 1, dtype=np.uint32), np.empty(len(votes), dtype=np.int32)
    blocks = max(1, (row_count + block_rows - 1) // block_rows)
    for query in range(first, last):
        asked, asked_weights = columns[starts[query] : starts[query + 1]], weights[starts[query] : starts[query + 1]]
        count: Any = 0
        for block in range(blocks):
            first_row = block * block_rows
            height = min(block_rows, row_count - first_row)
            _add_lists(asked, asked_weights, block, blocks, list_starts, local_rows, values, sums)
            if first_row <= own_rows[query] < first_row + height:
                sums[own_rows[query] - first_row] = 0
            for local_row in range(height):
                if sums[local_row] >= thresholds[first_row + local_row]:
                    row = first_row + local_row
                    begin, end = row_starts[row], row_starts[row + 1]
                    count = _add_row(
                        row_columns[begin:end], row_weights[begin:end], sums[local_row], votes, found, count
                    )
            sums[:height] = 0
        seen = seen_columns[seen_starts[query] : seen_starts[query + 1]]
        _keep_wanted(seen, blocked, votes, found[:count], reached, best[query - first])
