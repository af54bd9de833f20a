"""Training and test interactions in two CSV or TSV files, joined by their ids."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.domain.errors import InvalidInput
from core.infrastructure.id_columns import id_problems
from core.infrastructure.moment_columns import to_microseconds
from core.infrastructure.tabular_file import OpenFile, open_table
from core.recommender.full_ranking import TrainingSet
from core.recommender.timed_interactions import TimedInteractions

REQUIRED, OPTIONAL = ("user_id", "post_id"), ("weight", "created_at")

_MICROSECONDS_PER_HOUR = 3_600_000_000
_LAST_HOUR = 230 * 365.25 * 24
_MOST_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class InteractionFile:
    """The rows of one file as columns of equal length.

    weights: float64, finite, not negative, 1 where there is no such column; hours: float64, since 1970, None where
    there is no column of times.
    """

    user_ids: pa.StringArray
    post_ids: pa.StringArray
    weights: NDArray[np.float64]
    hours: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class InteractionSplit:
    """What to learn from, and by whom and what it is judged.

    user_ids, post_ids: the texts of the training's rows, in the order in which they come first in its file, which says
    nothing about the test. test_user_ids: (q,), everyone in the test file; test_users: (q,), int64, their rows in the
    training or -1. relevant: CSR (q, posts), float64, 1 for each pair of the test; its columns are the trained posts,
    then those that only the test knows. known_pairs: pairs of the test that are in the training too; unknown_pairs:
    those with posts that are not.
    """

    training: TrainingSet
    user_ids: pa.StringArray
    post_ids: pa.StringArray
    test_user_ids: pa.StringArray
    test_users: NDArray[np.int64]
    relevant: csr_array
    known_pairs: int
    unknown_pairs: int


def read_split(training: Path, test: Path) -> InteractionSplit:
    """Both files. Raises InvalidInput that names the file, and the line where there is one."""
    return joined(read_interaction_file(training), read_interaction_file(test))


def joined(training: InteractionFile, test: InteractionFile) -> InteractionSplit:
    """The split that two files make. Raises InvalidInput where there is nothing to judge by it."""
    users, posts = (ids.dictionary_encode() for ids in (training.user_ids, training.post_ids))
    test_users, test_posts = (ids.dictionary_encode() for ids in (test.user_ids, test.post_ids))
    rows = _positions(test_users.dictionary, users.dictionary)
    _check_users(len(users.dictionary), rows)
    columns = _positions(test_posts.dictionary, posts.dictionary)
    unknown = columns < 0
    columns[unknown] = len(posts.dictionary) + np.arange(unknown.sum())
    shape = len(rows), len(posts.dictionary) + int(unknown.sum())
    relevant = _pairs(_codes(test_users), columns[_codes(test_posts)], shape)
    interactions = TimedInteractions(
        _codes(users), _codes(posts), training.weights, _hours_up_to_now(training), len(users.dictionary),
        len(posts.dictionary),
    )  # fmt: skip
    learned = TrainingSet(interactions, training.hours is not None)
    if not training.weights.any():
        raise InvalidInput("all weights of the training are 0: there is nothing to learn from")
    if (relevant.indices >= len(posts.dictionary)).all():
        raise InvalidInput("the training and the test have no posts in common")
    known = _known_pairs(learned.seen(), rows, relevant)
    if known == relevant.nnz:
        raise InvalidInput("there is nothing to find: all of the test's pairs are in the training")
    return InteractionSplit(
        learned, users.dictionary, posts.dictionary, test_users.dictionary, rows, relevant, known,
        int((relevant.indices >= len(posts.dictionary)).sum()),
    )  # fmt: skip


def read_interaction_file(path: Path) -> InteractionFile:
    """All rows of a CSV or TSV file, also with gzip, whose header names the columns. Raises InvalidInput.

    user_id, post_id: any texts; weight: not negative; created_at: ISO 8601 or Unix seconds.
    """
    with open_table(path) as file:
        if file.format != "CSV":
            raise InvalidInput(f"it holds {file.format}: CSV or TSV is expected")
        table = _read_table(file)
        for column in REQUIRED:
            for mask, problem in id_problems(table.columns[column], column.removesuffix("_id")):
                table.refuse(mask, problem)
        return InteractionFile(table.columns["user_id"], table.columns["post_id"], _weights(table), _hours(table))


@dataclass(frozen=True, slots=True)
class _Table:
    """Columns of texts by name, and the content below the header that they come from."""

    columns: dict[str, pa.StringArray]
    content: bytes
    delimiter: str
    header_lines: int

    def refuse(self, is_bad: NDArray[np.bool_], problem: str, column: str | None = None) -> None:
        """Raise InvalidInput that names the line of the first bad row, if there is any."""
        if not is_bad.any():
            return
        row = int(np.flatnonzero(is_bad)[0])
        shown = "" if column is None else f": {str(self.columns[column][row].as_py())[:_MOST_SHOWN_CHARACTERS]!r}"
        raise InvalidInput(f"line {self._line_of(row)}: {problem}{shown}")

    def _line_of(self, row: int) -> int:
        return next(line for place, (line, _) in enumerate(self.rows()) if place == row)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Slowly, each row's fields and the line where it begins. Raises InvalidInput."""
        lines = io.StringIO(self.content.decode(errors="replace"), newline="")
        reader = csv.reader(lines, delimiter=self.delimiter)
        line = self.header_lines + 1
        try:
            for fields in reader:
                if fields:
                    yield line, fields
                line = self.header_lines + 1 + reader.line_num
        except csv.Error as error:
            raise InvalidInput(f"line {line}: {error}") from error


def _read_table(file: OpenFile) -> _Table:
    header_lines, header = 1, file.line()
    while header and not header.strip():
        header_lines, header = header_lines + 1, file.line()
    delimiter = "\t" if b"\t" in header else ","
    names = _checked_names(header, delimiter)
    table = _Table({}, file.stream.read(), delimiter, header_lines)
    if not table.content.strip():
        raise InvalidInput("there are no rows below the header")
    table.columns.update(_parsed(table, names))
    return table


def _checked_names(header: bytes, delimiter: str) -> list[str]:
    try:
        fields = next(csv.reader([header.decode()], delimiter=delimiter))
    except UnicodeDecodeError as error:
        raise InvalidInput("line 1: not UTF-8") from error
    except csv.Error as error:
        raise InvalidInput(f"line 1: not a header, do lines end as usual? ({error})") from error
    names = [name.strip() for name in fields]
    for name in names:
        if name not in REQUIRED + OPTIONAL:
            shown = name[:_MOST_SHOWN_CHARACTERS]
            known = ", ".join(REQUIRED + OPTIONAL)
            raise InvalidInput(f"unknown column {shown!r}: a header is expected, which may name {known}")
        if names.count(name) > 1:
            raise InvalidInput(f"there are two columns {name!r}")
    for name in REQUIRED:
        if name not in names:
            raise InvalidInput(f"there is no column {name!r} in the header: {', '.join(names)}")
    return names


def _parsed(table: _Table, names: list[str]) -> dict[str, pa.StringArray]:
    try:
        read = arrow_csv.read_csv(
            pa.BufferReader(table.content),
            arrow_csv.ReadOptions(column_names=names),
            arrow_csv.ParseOptions(delimiter=table.delimiter, newlines_in_values=b'"' in table.content),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        raise InvalidInput(_why_unreadable(table, len(names), error)) from error
    return {name: column.combine_chunks() for name, column in zip(names, read.columns, strict=True)}


def _why_unreadable(table: _Table, width: int, error: pa.ArrowInvalid) -> str:
    try:
        table.content.decode()
    except UnicodeDecodeError as not_utf8:
        line = table.header_lines + 1 + table.content.count(b"\n", 0, not_utf8.start)
        return f"line {line}: not UTF-8"
    for line, fields in table.rows():
        if len(fields) != width:
            return f"line {line}: {len(fields)} columns instead of {width}"
    return f"cannot be read: {str(error).splitlines()[0]}"


def _weights(table: _Table) -> NDArray[np.float64]:
    if "weight" not in table.columns:
        return np.ones(len(table.columns["user_id"]))
    texts = table.columns["weight"]
    try:
        weights: NDArray[np.float64] = texts.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        weights = np.array([_number(text) for text in texts.to_pylist()])
    table.refuse(~(np.isfinite(weights) & (weights >= 0)), "not a weight, which is a number from 0 up", "weight")
    return weights


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _hours(table: _Table) -> NDArray[np.float64] | None:
    if "created_at" not in table.columns:
        return None
    microseconds, are_times = to_microseconds(table.columns["created_at"])
    table.refuse(~are_times, "not a time, in ISO 8601 or Unix seconds", "created_at")
    hours: NDArray[np.float64] = microseconds / _MICROSECONDS_PER_HOUR
    # One moment far away, such as milliseconds taken for seconds, would make all others look as old as each other.
    table.refuse(
        (hours < 0) | (hours > _LAST_HOUR), "not a time from 1970 to 2199, in ISO 8601 or Unix seconds", "created_at"
    )
    return hours


def _hours_up_to_now(file: InteractionFile) -> NDArray[np.float64]:
    """Hours up to the newest one, which is 0; all 0 without times."""
    return np.zeros(len(file.weights)) if file.hours is None else file.hours - file.hours.max()


def _positions(texts: pa.StringArray, among: pa.StringArray) -> NDArray[np.int64]:
    """Where each text is, -1 where it is not."""
    found: NDArray[np.int64] = pc.index_in(texts, value_set=among).cast(pa.int64()).fill_null(-1).to_numpy()
    return found.copy()


def _codes(encoded: pa.DictionaryArray) -> NDArray[np.int64]:
    codes: NDArray[Any] = encoded.indices.to_numpy()
    return codes.astype(np.int64)


def _check_users(trained: int, rows: NDArray[np.int64]) -> None:
    for name, count in (("training", trained), ("test", len(rows))):
        if count < 2:
            raise InvalidInput(f"the {name} has one user only: it takes two or more")
    if (rows < 0).all():
        raise InvalidInput("the training and the test have no users in common")


def _pairs(users: NDArray[np.int64], posts: NDArray[np.int64], shape: tuple[int, int]) -> csr_array:
    """1 for each pair, however often it comes."""
    pairs = csr_array((np.ones(len(users)), (users, posts)), shape=shape)
    pairs.sum_duplicates()
    pairs.data[:] = 1
    return pairs


def _known_pairs(seen: csr_array, rows: NDArray[np.int64], relevant: csr_array) -> int:
    users = np.repeat(rows, np.diff(relevant.indptr))
    both = (users >= 0) & (relevant.indices < seen.shape[1])
    return int((seen[users[both], relevant.indices[both]] > 0).sum())
