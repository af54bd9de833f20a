"""CSV: quickly by the block where a line is a row, with care where it is not."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from core.domain.errors import InvalidInput
from core.infrastructure.tabular_file import BadLine, OpenFile, TableBatch

CAREFUL_BATCH_ROWS = 1 << 15

_NEWLINE, _QUOTE = b'\n"'
_ENDLESS_FIELD = ("unexpected end of data", "field larger than field limit")
Row = tuple[int, list[str] | str]
"""The line where it begins, and its fields or what is wrong with it."""


def read_csv(file: OpenFile, names: Sequence[str]) -> Iterator[TableBatch]:
    """All rows below the header; a row with too few or too many columns is a bad line."""
    header_lines, header = _header(file)
    positions = [_position(name, header) for name in names]
    line = header_lines + 1
    blocks = file.blocks()
    for block in blocks:
        if not _lines_are_rows(block):
            # A quoted field may go on beyond the block: from here on the rest of the file is read with care.
            yield from _careful(file, chain([block], blocks), line, len(header), positions)
            return
        line_count = block.count(b"\n") + (not block.endswith(b"\n"))
        columns = _quick(block, len(header), positions)
        if columns is not None and len(columns[0]) == line_count:
            yield TableBatch(np.arange(line, line + line_count), columns, file.raw.tell())
        else:
            yield from _careful(file, [block], line, len(header), positions)
        line += line_count


def _header(file: OpenFile) -> tuple[int, list[str]]:
    reader = csv.reader((_text(line) for line in iter(file.line, b"")), strict=True)
    try:
        header = next(row for row in reader if any(field.strip() for field in row))
    except StopIteration:
        raise InvalidInput("the file is empty") from None
    except csv.Error as error:
        raise InvalidInput(f"the header cannot be read: {error}") from error
    if any(_is_not_utf8(name) or "\0" in name for name in header):
        raise InvalidInput("the header is not UTF-8 text")
    return reader.line_num, header


def _position(name: str, header: Sequence[str]) -> int:
    if header.count(name) != 1:
        problem = "there are two columns" if name in header else "there is no column"
        raise InvalidInput(f"{problem} {name!r} in the header: {', '.join(header)[:500]}")
    return header.index(name)


def _lines_are_rows(block: bytes) -> bool:
    """Whether no line ends inside quotes, that is, each has an even number of them."""
    if b'"' not in block:
        return True
    characters = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(characters == _QUOTE)
    ends = np.append(np.flatnonzero(characters == _NEWLINE), len(block))
    return not (np.searchsorted(quotes, ends) % 2).any()


def _quick(block: bytes, width: int, positions: Sequence[int]) -> list[pa.Array] | None:
    """The columns, None when a row has another number of fields or is not UTF-8; blank lines are left out."""
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(block),
            arrow_csv.ReadOptions(column_names=[str(number) for number in range(width)], block_size=len(block) + 1),
            arrow_csv.ParseOptions(),
            arrow_csv.ConvertOptions(
                include_columns=[str(position) for position in positions],
                column_types={str(position): pa.string() for position in positions},
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    return [column.combine_chunks() for column in table.columns]


def _careful(
    file: OpenFile, blocks: Iterable[bytes], first_line: int, width: int, positions: Sequence[int]
) -> Iterator[TableBatch]:
    rows = _rows(chain.from_iterable(map(io.BytesIO, blocks)), first_line)
    while some := list(islice(rows, CAREFUL_BATCH_ROWS)):
        good, bad = [], []
        for line, fields in some:
            problem = _problem(fields, width, positions)
            if problem:
                bad.append(BadLine(line, problem))
            else:
                good.append((line, fields))
        columns = [pa.array([fields[position] for _, fields in good], pa.string()) for position in positions]
        yield TableBatch(np.array([line for line, _ in good], np.int64), columns, file.raw.tell(), bad)


def _rows(lines: Iterator[bytes], first_line: int) -> Iterator[Row]:
    """Python's own reader is the one that tells on which line a row begins. Blank lines are no rows."""
    reader = csv.reader(map(_text, lines), strict=True)
    while True:
        line = first_line + reader.line_num
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, _reason(line, error)
        else:
            if len(fields) > 1 or "".join(fields).strip():
                yield line, fields


def _reason(line: int, error: csv.Error) -> str:
    if str(error).startswith(_ENDLESS_FIELD):
        raise InvalidInput(f"line {line}: a quoted field does not end") from error
    return str(error).partition(" - ")[0]


def _problem(fields: list[str] | str, width: int, positions: Sequence[int]) -> str:
    if isinstance(fields, str):
        return fields
    if len(fields) != width:
        return f"{len(fields)} columns instead of {width}"
    if _is_not_utf8("".join([fields[position] for position in positions])):
        return "not UTF-8"
    return ""


def _text(line: bytes) -> str:
    return line.decode(errors="surrogateescape")


def _is_not_utf8(text: str) -> bool:
    return not text.isascii() and any("\udc80" <= character <= "\udcff" for character in text)
