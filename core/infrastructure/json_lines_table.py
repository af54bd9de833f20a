"""JSON Lines: one object a line, of which a few keys are wanted."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET, UnsetType

from core.domain.errors import InvalidInput
from core.infrastructure.tabular_file import BadLine, OpenFile, TableBatch

Text = str | int | None | UnsetType
TextOrNumber = str | int | float | None | UnsetType


def read_json_lines(file: OpenFile, names: Sequence[str]) -> Iterator[TableBatch]:
    """All lines but blank ones; a number becomes its text, a missing key null, what is no such object a bad line."""
    decoder = msgspec.json.Decoder(_row_type(names))
    line = 1
    for block in file.blocks():
        rows, bad = _decoded(decoder, block, line)
        if line == 1:
            _check_first(rows, bad, block, names)
        lines = np.array([line for line, _ in rows], np.int64)
        yield TableBatch(lines, _columns([row for _, row in rows], names), file.raw.tell(), bad)
        line += block.count(b"\n")


def _row_type(names: Sequence[str]) -> Any:
    """A struct whose fields f0, f1, … are the wanted keys; the last one, the time, may be any number."""
    kinds = [Text] * (len(names) - 1) + [TextOrNumber]
    fields = [(f"f{number}", kind, UNSET) for number, kind in enumerate(kinds)]
    rename = {f"f{number}": name for number, name in enumerate(names)}
    return msgspec.defstruct("Row", fields, rename=rename, gc=False)


def _decoded(decoder: Any, block: bytes, first_line: int) -> tuple[list[tuple[int, Any]], list[BadLine]]:
    """Rows with their lines: at once where every line is good, else one by one."""
    lines = block.removesuffix(b"\n").split(b"\n")
    try:
        rows = decoder.decode_lines(block)
    except (msgspec.DecodeError, UnicodeDecodeError):
        rows = []
    if len(rows) == len(lines):
        return list(enumerate(rows, first_line)), []
    return _one_by_one(decoder, lines, first_line)


def _one_by_one(decoder: Any, lines: list[bytes], first_line: int) -> tuple[list[tuple[int, Any]], list[BadLine]]:
    rows, bad = [], []
    for number, line in enumerate(lines, first_line):
        if not line.strip():
            continue
        try:
            rows.append((number, decoder.decode(line)))
        except msgspec.ValidationError as error:
            bad.append(BadLine(number, str(error)))
        except (msgspec.DecodeError, UnicodeDecodeError):
            bad.append(BadLine(number, "not JSON"))
    return rows, bad


def _columns(rows: list[Any], names: Sequence[str]) -> list[pa.Array]:
    return [pa.array([_text(getattr(row, f"f{number}")) for row in rows], pa.string()) for number in range(len(names))]


def _text(value: TextOrNumber) -> str | None:
    if isinstance(value, str):
        return value
    return None if value is None or value is UNSET else str(value)


def _check_first(rows: list[tuple[int, Any]], bad: list[BadLine], block: bytes, names: Sequence[str]) -> None:
    """A key that no line of the first block has is a mistake in the key, not in the lines."""
    if not rows:
        raise InvalidInput(f"it is not JSON Lines: line {bad[0].line}: {bad[0].reason}")
    for number, name in enumerate(names):
        if all(getattr(row, f"f{number}") is UNSET for _, row in rows):
            found: Callable[[bytes], dict[str, Any]] = msgspec.json.Decoder(dict[str, Any]).decode
            keys = ", ".join(found(block.split(b"\n")[rows[0][0] - 1]))
            raise InvalidInput(f"there is no key {name!r}; the first line has: {keys[:500]}")
