"""Files of interactions: what is read from good ones, and what is said of bad rows and bad files."""

import asyncio
import csv
import gzip
import io
import json
import os
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from pyarrow import parquet

from core.application.ports.interaction_source import InteractionBatch, RejectedRow
from core.domain.errors import InvalidInput
from core.domain.ids import to_uuid
from core.domain.interaction import InteractionType
from core.infrastructure import csv_table, tabular_file
from core.infrastructure.arrow_interaction_source import ArrowInteractionSource, InteractionColumns, parse_type_map
from core.infrastructure.interaction_rows import TYPES, InteractionRows

COLUMNS = InteractionColumns("who", "what", "kind", "when")
NOW = datetime(2026, 11, 23, tzinfo=UTC)
HEADER = "who,what,kind,when\n"
Read = tuple[list[tuple[UUID, UUID, str, int]], list[RejectedRow]]
Write = Callable[[bytes, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: bytes, name: str = "rows.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_file


def source_of(path: Path, type_map: str = "") -> ArrowInteractionSource:
    return ArrowInteractionSource(path, COLUMNS, parse_type_map(type_map), NOW)


async def batches_of(path: Path, type_map: str = "") -> list[InteractionBatch[InteractionRows]]:
    async with aclosing(source_of(path, type_map).batches()) as batches:
        return [batch async for batch in batches]


async def read(path: Path, type_map: str = "") -> Read:
    """All interactions, times as Unix seconds, and all rejected rows."""
    good, bad = [], []
    for batch in await batches_of(path, type_map):
        rows = batch.accepted
        columns = (rows.user_ids.tolist(), rows.post_ids.tolist(), rows.types.tolist(), rows.moments.tolist())
        assert batch.accepted_count == len(rows)
        for user, post, kind, moment in zip(*columns, strict=True):
            good.append((UUID(bytes=user), UUID(bytes=post), TYPES[kind].value, moment // 1_000_000))
        bad.extend(batch.rejected)
    return good, bad


def seen(user: str, post: str, kind: str, seconds: int) -> tuple[UUID, UUID, str, int]:
    return to_uuid(user), to_uuid(post), kind, seconds


TWO = [seen("ann", "p1", "view", 100), seen("bob", "p2", "like", 200)]
TWO_LINES = "ann,p1,view,100\nbob,p2,like,200\n"
TWO_OBJECTS = (
    b'{"who":"ann","what":"p1","kind":"view","when":100}\n{"when":"200","what":"p2","kind":"like","who":"bob"}\n'
)


def two_as_parquet(**columns: pa.Array) -> bytes:
    table = {"who": ["ann", "bob"], "what": ["p1", "p2"], "kind": ["view", "like"], "when": [100, 200]} | columns
    written = io.BytesIO()
    parquet.write_table(pa.table(table), written)
    return written.getvalue()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (f"{HEADER}{TWO_LINES}".encode(), "plain.csv"),
        (f"{HEADER}{TWO_LINES}".encode().removesuffix(b"\n"), "no_newline_at_the_end.csv"),
        (f"{HEADER}{TWO_LINES}".replace("\n", "\r\n").encode(), "crlf.csv"),
        (f"\ufeff{HEADER}{TWO_LINES}".encode(), "byte_order_mark.csv"),
        (f"\n{HEADER}\n\n{TWO_LINES}\n \n".encode(), "blank_lines.csv"),
        (gzip.compress(f"{HEADER}{TWO_LINES}".encode()), "plain.csv.gz"),
        (gzip.compress(f"{HEADER}{TWO_LINES}".encode()), "gzip_unnamed.csv"),
        (f"{HEADER}{TWO_LINES}".encode(), "any_other_name.txt"),
        (b"id,when,kind,what,who\n1,100,view,p1,ann\n2,200,like,p2,bob\n", "other_order.csv"),
        (f'{HEADER}"ann","p1","view","100"\nbob,p2,"like",200\n'.encode(), "quoted.csv"),
        (b'who,what,kind,when,note\nann,p1,view,100,"a ""b"",\nc"\nbob,p2,like,200,\n', "newline_in_quotes.csv"),
        (TWO_OBJECTS, "objects.jsonl"),
        (TWO_OBJECTS.replace(b"\n", b"\r\n\r\n"), "objects.ndjson"),
        (b"\xef\xbb\xbf" + TWO_OBJECTS, "byte_order_mark.jsonl"),
        (gzip.compress(TWO_OBJECTS.removesuffix(b"\n")), "objects.jsonl.gz"),
        (two_as_parquet(), "columns.parquet"),
        (two_as_parquet(who=pa.array(["ann", "bob"]).dictionary_encode()), "dictionary.parquet"),
        (two_as_parquet(what=pa.array(["p1", "p2"], pa.large_string())), "large.parquet"),
        (two_as_parquet(when=pa.array([100, 200], pa.timestamp("s", "UTC"))), "typed_times.parquet"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_every_kind_of_file_gives_the_same_interactions(write: Write, content: bytes, name: str) -> None:
    assert await read(write(content, name)) == (TWO, [])


async def test_texts_of_ids_that_are_not_uuids_come_along(write: Write) -> None:
    uuid = "027BAF23-101f-48d2-b7d1-4a23e6cf8e4a"

    [batch] = await batches_of(write(f"{HEADER}{uuid},p1,view,1\nann,p1,like,2\n,unused,view,3\n".encode(), "rows.csv"))

    assert dict(batch.accepted.external_ids) == {to_uuid(text).bytes: text for text in ("ann", "p1")}


async def test_whole_numbers_are_ids(write: Write) -> None:
    line = b'{"who":8078873160882064481,"what":7,"kind":"view","when":1.5}'
    columns = {"who": pa.array([8078873160882064481, 1]), "what": pa.array([7, 8], pa.uint8())}

    [first], _ = await read(write(line, "rows.jsonl"))
    rows, _ = await read(write(two_as_parquet(**columns), "rows.parquet"))

    assert first == seen("8078873160882064481", "7", "view", 1)
    assert rows[0][:2] == (to_uuid("8078873160882064481"), to_uuid("7"))


async def test_sixteen_bytes_in_a_parquet_file_are_a_uuid(write: Write) -> None:
    uuids = [UUID(int=1), UUID(int=2)]
    plain = pa.array([uuid.bytes for uuid in uuids], pa.binary(16))

    rows, _ = await read(write(two_as_parquet(who=plain, what=plain.cast(pa.uuid())), "rows.parquet"))

    assert [row[:2] for row in rows] == [(uuid, uuid) for uuid in uuids]


async def test_types_are_mapped_by_the_files_own_words(write: Write) -> None:
    path = write(f"{HEADER}ann,p1,COMMENT CREATED,1\nann,p1,a=b,2\nann,p1,view,3\nann,p1,VIEW,4\n".encode(), "rows.csv")

    rows, rejected = await read(path, "COMMENT CREATED=share, a=b=click")

    assert [kind for _, _, kind, _ in rows] == ["share", "click", "view"]
    assert [row.reason for row in rejected] == ["unknown type 'VIEW'"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("VIEW", "VIEW is not WORD=TYPE"),
        ("VIEW=", "VIEW= is not"),
        ("=view", "=view is not"),
        ("VIEW=look", "view, click, like, share"),
        ("VIEW=View", "view, click, like, share"),
        ("A=view,A=like", "A is mapped to two types"),
    ],
)
def test_a_wrong_type_map_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        parse_type_map(text)


def test_a_type_map_may_be_empty_or_say_things_twice() -> None:
    assert parse_type_map("") == {}
    assert parse_type_map("A=view,A=view,") == {"A": InteractionType.VIEW}


def test_one_column_cannot_be_two_things() -> None:
    with pytest.raises(InvalidInput, match="four columns, not a, b, a, d"):
        InteractionColumns("a", "b", "a", "d")


BAD_ROWS = {
    ",p1,view,1": "empty user id",
    " ,p1,view,1": "empty user id",
    "ann,,view,1": "empty post id",
    f"{'x' * 513},p1,view,1": "user id of more than 512 characters",
    f"ann,{'x' * 513},view,1": "post id of more than 512 characters",
    "a\0nn,p1,view,1": "user id with a NUL character",
    "ann,p1,,1": "no type",
    "ann,p1,look,1": "unknown type 'look'",
    "ann,p1,View,1": "unknown type 'View'",
    "ann,p1,view,": "no time",
    "ann,p1,view,never": "not a time: 'never'",
    "ann,p1,view,-1": "time before 1970",
    "ann,p1,view,1969-12-31T23:59:59Z": "time before 1970",
    f"ann,p1,view,{int(NOW.timestamp()) + 86_401}": "time more than a day ahead of now",
    "ann,p1,view,1700000000000": "time more than a day ahead of now",
    "ann,p1,view,9999-12-31": "time more than a day ahead of now",
    "ann,p1,view": "3 columns instead of 4",
    "ann,p1,view,1,2": "5 columns instead of 4",
    'ann,"p1" x,view,1': "',' expected after '\"'",
    "ann,p1\rview,view,1": "new-line character seen in unquoted field",
}


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS.items())
async def test_a_bad_row_of_csv_is_told_with_its_line_and_the_others_are_read(
    write: Write, row: str, reason: str
) -> None:
    path = write(f"{HEADER}ann,p1,view,100\n\n{row}\nbob,p2,like,200\n".encode(), "rows.csv")

    rows, [rejected] = await read(path)

    assert rows == TWO
    assert (rejected.line, rejected.reason) == (4, reason)


async def test_a_rejected_row_shows_what_the_file_has(write: Write) -> None:
    _, rejected = await read(write(f"{HEADER}ann,p1,look,never\n".encode(), "rows.csv"))

    assert rejected == [RejectedRow(2, "unknown type 'look'", "ann", "p1", "look", "never")]


async def test_bytes_that_are_not_utf8_make_a_bad_row_where_they_matter(write: Write) -> None:
    path = write(b"who,what,kind,when,note\nann,p1,view,100,\xff\nb\xff,p2,like,1,\nbob,p2,like,200,\n", "rows.csv")

    rows, rejected = await read(path)

    assert rows == TWO
    assert [(row.line, row.reason) for row in rejected] == [(3, "not UTF-8")]


BAD_OBJECTS = {
    b'{"who":"ann","what":"p1","kind":"view"}': "no time",
    b'{"who":null,"what":"p1","kind":"view","when":1}': "empty user id",
    b'{"who":1.5,"what":"p1","kind":"view","when":1}': "Expected `int | str | null`, got `float` - at `$.who`",
    b'{"who":"ann","what":["p1"],"kind":"view","when":1}': "Expected `int | str | null`, got `array` - at `$.what`",
    b'{"who":"ann","what":"p1","kind":[],"when":1}': "Expected `int | str | null`, got `array` - at `$.kind`",
    b'{"who":"ann","what":"p1","kind":"","when":[]}': "Expected `int | float | str | null`, got `array` - at `$.when`",
    b'{"who":"ann","what":"p1","kind":"view","when":1e300}': "not a time: '1e+300'",
    b'{"who":"a\\u0000","what":"p1","kind":"view","when":1}': "user id with a NUL character",
    b'{"who":"ann","what":"p1"': "not JSON",
    b'{"who":"\xff"}': "not JSON",
    b"7": "Expected `object`, got `int`",
}


@pytest.mark.parametrize(("line", "reason"), BAD_OBJECTS.items())
async def test_a_bad_line_of_json_is_told_with_its_line_and_the_others_are_read(
    write: Write, line: bytes, reason: str
) -> None:
    path = write(TWO_OBJECTS.replace(b"\n", b"\n\n" + line + b"\n", 1), "rows.jsonl")

    rows, [rejected] = await read(path)

    assert rows == TWO
    assert (rejected.line, rejected.reason) == (3, reason)


async def test_a_bad_row_of_parquet_is_told_with_its_number(write: Write) -> None:
    columns = {"who": pa.array([None, "bob"]), "when": pa.array([None, 200], pa.timestamp("s"))}

    rows, [rejected] = await read(write(two_as_parquet(**columns), "rows.parquet"))

    assert rows == TWO[1:]
    assert rejected == RejectedRow(1, "empty user id", "", "p1", "view", "")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few lines a block, so that a short file has many."""
    monkeypatch.setattr(tabular_file, "BLOCK_BYTES", 100)
    monkeypatch.setattr(csv_table, "CAREFUL_BATCH_ROWS", 7)


def numbered(count: int, notes: Sequence[str]) -> list[list[str]]:
    return [[f"user {i % 7}", f"post {i}", "view", str(i), notes[i % len(notes)]] for i in range(count)]


@pytest.mark.parametrize("notes", [["n"], ['"', "é"], ["n"] * 60 + ["two\nlines"], ["", "a,b"], [' "x'], ["\r\n\r\n"]])
@pytest.mark.usefixtures("small_blocks")
async def test_files_of_many_blocks_agree_with_pythons_own_reader(write: Write, notes: list[str]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerows([["who", "what", "kind", "when", "note"], *numbered(100, notes)])

    rows, rejected = await read(write(written.getvalue().encode(), "rows.csv"))

    assert rows == [seen(user, post, kind, int(at)) for user, post, kind, at, _ in numbered(100, notes)]
    assert rejected == []


@pytest.mark.parametrize("note", ["n", "two\nlines", '"quoted"'])
@pytest.mark.usefixtures("small_blocks")
async def test_lines_are_counted_as_an_editor_counts_them(write: Write, note: str) -> None:
    quoted = '"' + note.replace('"', '""') + '"' if note != "n" else note
    lines_a_row = 1 + note.count("\n")
    good, bad = f"ann,p1,view,100,{quoted}\n", f",p1,view,100,{quoted}\n"

    _, rejected = await read(write(("who,what,kind,when,note\n" + (good * 9 + "\n" + bad) * 20).encode(), "rows.csv"))

    group_lines = 10 * lines_a_row + 1
    assert [row.line for row in rejected] == [1 + group_lines * k + 9 * lines_a_row + 2 for k in range(20)]


@pytest.mark.usefixtures("small_blocks")
async def test_lines_of_json_are_counted_across_blocks(write: Write) -> None:
    good = TWO_OBJECTS.splitlines(keepends=True)[0]

    _, rejected = await read(write((good * 9 + b"{}\n") * 20, "rows.jsonl"))

    assert [row.line for row in rejected] == [10 * (k + 1) for k in range(20)]


@pytest.mark.usefixtures("small_blocks")
async def test_bytes_read_grow_to_the_size_of_the_file(write: Write) -> None:
    path = write(f"{HEADER}{TWO_LINES * 50}".encode(), "rows.csv")

    read_so_far = [batch.bytes_read for batch in await batches_of(path)]

    assert len(read_so_far) > 5
    assert read_so_far == sorted(read_so_far)
    assert read_so_far[-1] == source_of(path).size_bytes == path.stat().st_size


async def test_bytes_read_of_a_parquet_file_are_its_share_of_rows(write: Write) -> None:
    path = write(two_as_parquet(), "rows.parquet")

    [batch] = await batches_of(path)

    assert batch.bytes_read == path.stat().st_size


@pytest.mark.usefixtures("small_blocks")
async def test_a_reader_that_leaves_early_leaves_nothing_running(write: Write) -> None:
    async with aclosing(source_of(write(f"{HEADER}{TWO_LINES * 50}".encode(), "rows.csv")).batches()) as batches:
        await anext(batches)

    with pytest.raises(StopAsyncIteration):
        await anext(batches)


async def test_an_interruption_waits_for_the_thread_that_reads(tmp_path: Path) -> None:
    pipe = tmp_path / "rows.csv"
    os.mkfifo(pipe)
    reading = asyncio.create_task(read(pipe))
    with await asyncio.to_thread(pipe.open, "wb"):  # opens once the thread has opened the other end
        reading.cancel()
        await asyncio.wait([reading], timeout=0)
        assert not reading.done()

    with pytest.raises(asyncio.CancelledError):
        await reading


@pytest.mark.parametrize(
    "content", [HEADER.encode(), gzip.compress(HEADER.strip().encode(), mtime=0), two_as_parquet()]
)
async def test_a_file_without_rows_is_no_mistake(write: Write, content: bytes) -> None:
    name = "rows.parquet" if content.startswith(b"PAR1") else "rows.csv"
    if name == "rows.parquet":
        parquet.write_table(parquet.read_table(io.BytesIO(content)).slice(0, 0), written := io.BytesIO())
        content = written.getvalue()

    assert await read(write(content, name)) == ([], [])


GZIPPED = gzip.compress(f"{HEADER}{TWO_LINES * 1000}".encode())
BAD_FILES: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "rows.csv", "the file is empty"),
    "empty JSON Lines": (b"", "rows.jsonl", "the file is empty"),
    "empty Parquet": (b"", "rows.parquet", "the file is empty"),
    "empty inside gzip": (gzip.compress(b""), "rows.csv.gz", "the file is empty"),
    "blank": (b"\xef\xbb\xbf\n \r\n", "rows.csv", "the file is empty"),
    "only separators": (b",,,\n,,,", "rows.csv", "the file is empty"),
    "endless quotes in the header": (b'who,"what\nann,p1', "rows.csv", "the header cannot be read"),
    "truncated gzip": (GZIPPED[:-20], "rows.csv.gz", "the gzip file is truncated or damaged"),
    "damaged gzip": (GZIPPED[:40] + b"\0\0\0\0" + GZIPPED[44:], "rows.csv.gz", "the gzip file is truncated or damaged"),
    "only the start of gzip": (b"\x1f\x8b", "rows.csv.gz", "the gzip file is truncated or damaged"),
    "no such column": (b"who,what,type,when\n", "rows.csv", "no column 'kind' in the header: who, what, type, when"),
    "two such columns": (b"who,what,kind,kind,when\n", "rows.csv", "two columns 'kind' in the header"),
    "no such column in Parquet": (two_as_parquet().replace(b"kind", b"kinb"), "rows.parquet", "no column 'kind'"),
    "no such key": (
        TWO_OBJECTS.replace(b"kind", b"type"),
        "rows.jsonl",
        "no key 'kind'; the first line has: who, what",
    ),
    "Parquet named CSV": (two_as_parquet(), "rows.csv", "it is named .csv but holds Parquet"),
    "CSV named Parquet": (HEADER.encode(), "rows.parquet", "it is named .parquet but holds CSV"),
    "CSV named JSON Lines": (HEADER.encode(), "rows.jsonl", "it is named .jsonl but holds CSV"),
    "JSON Lines named CSV": (TWO_OBJECTS, "rows.csv.gz", "it is named .csv but holds JSON Lines"),
    "truncated Parquet": (two_as_parquet()[:-30], "rows.parquet", "truncated or damaged: .*[Pp]arquet"),
    "Parquet inside gzip": (gzip.compress(two_as_parquet()), "rows.parquet.gz", "decompress it first"),
    "zip archive": (b"PK\x03\x04", "rows.csv", "it is a zip archive"),
    "UTF-16": (HEADER.encode("utf-16"), "rows.csv", "it is UTF-16 text"),
    "JSON array": (b'[{"who":"ann"}]', "rows.jsonl", "one object a line"),
    "indented JSON": (b'{\n  "who": "ann"\n}\n', "rows.jsonl", "not JSON Lines: line 1: not JSON"),
    "binary": (b"\0\1\2\xff\n", "rows.csv", "the header is not UTF-8 text"),
    "endless quotes": (
        f'{HEADER}ann,"p1,view,1\n{TWO_LINES}'.encode(),
        "rows.csv",
        "line 2: a quoted field does not end",
    ),
    "ids of another type": (two_as_parquet(who=pa.array([1.5, 2.5])), "rows.parquet", "'who' holds double"),
    "times of another type": (two_as_parquet(when=pa.array([True, False])), "rows.parquet", "of type bool"),
}


@pytest.mark.parametrize(("content", "name", "problem"), BAD_FILES.values(), ids=BAD_FILES)
async def test_a_bad_file_is_refused_in_one_line_that_names_it(
    write: Write, content: bytes, name: str, problem: str
) -> None:
    path = write(content, name)

    with pytest.raises(InvalidInput, match=problem) as refused:
        await read(path)

    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


async def test_a_line_without_end_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular_file, "BLOCK_BYTES", 40)
    monkeypatch.setattr(tabular_file, "LONGEST_LINE_BYTES", 50)

    with pytest.raises(InvalidInput, match="a line is longer than 50 bytes"):
        await read(write(HEADER.encode() + b"x" * 100, "rows.csv"))


@pytest.mark.parametrize("check", [ArrowInteractionSource.check, lambda source: anext(source.batches())])
async def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path, check: Callable[[Any], Any]) -> None:
    with pytest.raises(InvalidInput, match=r"none\.csv: cannot be read: No such file or directory"):
        await check(source_of(tmp_path / "none.csv"))
    with pytest.raises(InvalidInput, match="it is a folder, not a file"):
        await check(source_of(tmp_path))


async def test_a_good_file_passes_the_check(write: Write) -> None:
    await source_of(write(f"{HEADER}{TWO_LINES}".encode(), "rows.csv")).check()


async def test_wide_objects_lose_nothing(write: Write) -> None:
    line = json.dumps({"who": "ann", "what": "p1", "kind": "view", "when": 100, "more": {"deep": [1, None, "é"]}})

    assert (await read(write(line.encode(), "rows.jsonl")))[0] == TWO[:1]
