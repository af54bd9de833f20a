"""CSV, JSON Lines and Parquet files, read a batch of rows at a time in constant memory."""

import gzip
import io
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.domain.errors import InvalidInput

BLOCK_BYTES = 1 << 22
LONGEST_LINE_BYTES = 1 << 24

_FORMATS = {".csv": "CSV", ".jsonl": "JSON Lines", ".ndjson": "JSON Lines", ".parquet": "Parquet"}
_GZIP, _PARQUET, _BYTE_ORDER_MARK = b"\x1f\x8b", b"PAR1", b"\xef\xbb\xbf"
_FOREIGN = {b"PK\x03\x04": "a zip archive", b"\xff\xfe": "UTF-16 text", b"\xfe\xff": "UTF-16 text"}


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that has no columns to speak of."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class TableBatch:
    """The wanted columns of some rows, in the order they were asked for.

    `lines`: where each row begins in the file, counted from 1 with the header; in Parquet the row's number.
    `bytes_read`: of the file as it is on disk.
    """

    lines: NDArray[np.int64]
    columns: Sequence[pa.Array]
    bytes_read: int
    bad_lines: Sequence[BadLine] = ()


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file whose format is known, positioned at its first byte after any byte order mark."""

    format: str
    stream: io.BufferedReader
    raw: io.FileIO

    def blocks(self) -> Iterator[bytes]:
        """Whole lines, about BLOCK_BYTES of them at a time."""
        while block := self.stream.read(BLOCK_BYTES):
            yield block if block.endswith(b"\n") else block + self.line()

    def line(self) -> bytes:
        """The next line or the rest of it, with its end; empty at the end of the file."""
        line = self.stream.readline(LONGEST_LINE_BYTES)
        if len(line) == LONGEST_LINE_BYTES:
            raise InvalidInput(f"a line is longer than {LONGEST_LINE_BYTES:,} bytes")
        return line


@contextmanager
def open_table(path: Path) -> Generator[OpenFile, None, None]:
    """Open the file and find out what it is. Raises InvalidInput, also for what goes wrong inside the block."""
    with _explained(path), _open_raw(path) as raw:
        stream = _decompressed(raw)
        if stream.peek(len(_BYTE_ORDER_MARK)).startswith(_BYTE_ORDER_MARK):
            stream.read(len(_BYTE_ORDER_MARK))
        found = _format_of(stream, path)
        if found == "Parquet" and isinstance(stream.raw, gzip.GzipFile):
            raise InvalidInput("it is a Parquet file inside gzip: decompress it first")
        yield OpenFile(found, stream, raw)


@contextmanager
def _explained(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidInput(f"{path}: the gzip file is truncated or damaged") from error
    except pa.ArrowException as error:
        raise InvalidInput(f"{path}: the file is truncated or damaged: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror or error}") from error


def _open_raw(path: Path) -> io.FileIO:
    if path.is_dir():
        raise InvalidInput("it is a folder, not a file")
    return path.open("rb", buffering=0)


def _decompressed(raw: io.FileIO) -> io.BufferedReader:
    buffered: io.BufferedReader = io.BufferedReader(raw, BLOCK_BYTES)
    if buffered.peek(len(_GZIP)).startswith(_GZIP):
        return io.BufferedReader(gzip.GzipFile(fileobj=buffered), BLOCK_BYTES)
    return buffered


def _format_of(stream: io.BufferedReader, path: Path) -> str:
    found = _found_format(stream)
    suffix = next((suffix for suffix in reversed(path.suffixes) if suffix != ".gz"), "").lower()
    expected = _FORMATS.get(suffix, found)
    if found != expected:
        raise InvalidInput(f"it is named {suffix} but holds {found}")
    return found


def _found_format(stream: io.BufferedReader) -> str:
    head = stream.peek(len(_PARQUET))
    if not head.strip():
        raise InvalidInput("the file is empty")
    foreign = next((name for mark, name in _FOREIGN.items() if head.startswith(mark)), None)
    if foreign:
        raise InvalidInput(f"it is {foreign}: expected CSV, JSON Lines (also with gzip) or Parquet")
    if head.startswith(_PARQUET):
        return "Parquet"
    first = head.lstrip()[:1]
    if first == b"[":
        raise InvalidInput("it holds a JSON array: expected JSON Lines, one object a line")
    return "JSON Lines" if first == b"{" else "CSV"
