"""`threads-ml import` as a person uses it."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from scripts.import_ import SOME_ROWS_REJECTED_EXIT_CODE, app

HEADER = "who,what,kind,when\n"
COLUMNS = ["--user", "who", "--post", "what", "--type", "kind", "--at", "when"]
BAD, GOOD = "ann,p1,look,100", "ann,p1,view,100"


@pytest.fixture
def database(migrated_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", migrated_database_url)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    return migrated_database_url


def count(url: str) -> int:
    async def ask() -> int:
        connection = await asyncpg.connect(url, ssl=False)
        try:
            return int(await connection.fetchval("select count(*) from user_interaction"))
        finally:
            await connection.close()

    return asyncio.run(ask())


def run(file: Path, *options: str) -> Result:
    return CliRunner().invoke(app, [str(file), *COLUMNS, "--data-dir", str(file.parent / "data"), *options])


def one_line(text: str) -> str:
    [line] = text.splitlines()
    return line


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(f"{HEADER}{GOOD}\n{GOOD}\nbob,p1,LIKE,2024-01-31T10:20:30Z\n")
    return path


def test_the_report_counts_every_row_and_a_second_time_adds_nothing(database: str, file: Path) -> None:
    first, second = (run(file, "--type-map", "LIKE=like") for _ in range(2))

    assert (first.exit_code, first.stdout) == (0, "read 3, added 2, duplicate 1, rejected 0\n")
    assert (second.exit_code, second.stdout) == (0, "read 3, added 0, duplicate 3, rejected 0\n")
    assert count(database) == 2


def test_rejected_rows_are_written_with_line_and_reason_and_the_exit_code_says_so(database: str, file: Path) -> None:
    rejects = file.parent / "rejects.csv"

    done = run(file, "--rejects", str(rejects))

    assert done.exit_code == SOME_ROWS_REJECTED_EXIT_CODE
    assert one_line(done.stderr) == (
        f"threads-ml: 1 of 3 rows were rejected, the first in line 4: unknown type 'LIKE'; all are in {rejects}"
    )
    assert rejects.read_text().splitlines() == [
        "line,reason,user,post,type,at",
        "4,unknown type 'LIKE',bob,p1,LIKE,2024-01-31T10:20:30Z",
    ]
    assert count(database) == 1


def test_strict_imports_nothing_and_still_writes_the_rejects(database: str, file: Path) -> None:
    rejects = file.parent / "rejects.csv"

    done = run(file, "--strict", "--rejects", str(rejects))

    assert done.exit_code == 1
    assert one_line(done.stderr).startswith("threads-ml: nothing is imported: bad rows 1, the first in line 4")
    assert len(rejects.read_text().splitlines()) == 2
    assert count(database) == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--user", "whom"], "there is no column 'whom' in the header: who, what, kind, when"),
        (["--user", "what"], "must be four columns"),
        (["--type-map", "LIKE=love"], "type map: LIKE=love is not WORD=TYPE"),
        (["--rejects", "."], "--rejects . cannot be written"),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(database: str, file: Path, options: list[str], problem: str) -> None:
    done = run(file, *options)

    assert done.exit_code == 1
    assert problem in one_line(done.stderr)
    assert not (file.parent / "data").exists()
    assert count(database) == 0


def test_a_file_that_is_not_there_is_said_before_any_server_starts(tmp_path: Path) -> None:
    done = run(tmp_path / "none.csv")

    assert done.exit_code == 1
    assert one_line(done.stderr).endswith("none.csv: cannot be read: No such file or directory")
    assert not (tmp_path / "data").exists()


def test_the_rejects_never_replace_the_file_itself(database: str, file: Path) -> None:
    content = file.read_text()

    done = run(file, "--rejects", str(file))

    assert done.exit_code == 1
    assert "is the file to import" in one_line(done.stderr)
    assert file.read_text() == content


def test_a_file_that_breaks_off_in_the_middle_leaves_the_database_as_it_was(database: str, file: Path) -> None:
    file.write_text(f'{HEADER}{GOOD}\nbob,"p1,view,100\n')

    done = run(file)

    assert done.exit_code == 1
    assert "line 3: a quoted field does not end" in one_line(done.stderr)
    assert count(database) == 0
