"""Training and test interactions read from files, and what is said about files that are none."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import InvalidInput
from core.infrastructure.interaction_split_file import InteractionSplit, read_interaction_file, read_split


def written(folder: Path, text: str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def split_of(folder: Path, training: str, test: str) -> InteractionSplit:
    header = "user_id,post_id\n"
    return read_split(written(folder, header + training), written(folder, header + test, "test.csv"))


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.csv.gz", "rows.tsv.gz", "rows"])
def test_csv_and_tsv_also_with_gzip_give_the_same(tmp_path: Path, name: str) -> None:
    text = "post_id,user_id,weight,created_at\np1,ann,2,3600\np2,bob bee,0.5,7200\n"

    found = read_interaction_file(written(tmp_path, text.replace(",", "\t") if ".tsv" in name else text, name))

    assert found.user_ids.to_pylist() == ["ann", "bob bee"]
    assert found.post_ids.to_pylist() == ["p1", "p2"]
    assert found.weights.tolist() == [2, 0.5]
    assert found.hours is not None
    assert found.hours.tolist() == [1, 2]


def test_without_weights_all_count_one_and_without_times_there_are_none(tmp_path: Path) -> None:
    found = read_interaction_file(written(tmp_path, "\ufeffuser_id,post_id\r\n1,2\r\n\r\n007,2"))

    assert found.user_ids.to_pylist() == ["1", "007"]
    assert found.weights.tolist() == [1, 1]
    assert found.hours is None


def test_quoted_ids_may_hold_delimiters_quotes_and_line_ends(tmp_path: Path) -> None:
    found = read_interaction_file(written(tmp_path, 'user_id,post_id\n"a,""b""\nc",1\nNULL,nan\n'))

    assert found.user_ids.to_pylist() == ['a,"b"\nc', "NULL"]
    assert found.post_ids.to_pylist() == ["1", "nan"]


@pytest.mark.parametrize("time", ["2026-01-01T00:00:00Z", "2026-01-01 01:00:00+01:00", "2026-01-01", "1767225600.0"])
def test_times_are_iso_8601_or_unix_seconds(tmp_path: Path, time: str) -> None:
    found = read_interaction_file(written(tmp_path, f"user_id,post_id,created_at\na,1,{time}\n"))

    assert found.hours is not None
    assert found.hours.tolist() == [1767225600 / 3600]


def test_rows_are_in_the_order_of_the_training_whatever_the_test_says(tmp_path: Path) -> None:
    found = split_of(tmp_path, "zoe,p9\nann,p1\nzoe,p1\n", "ann,p9\nnew,p5\nann,p9\nzoe,p7\n")

    assert found.user_ids.to_pylist() == ["zoe", "ann"]
    assert found.post_ids.to_pylist() == ["p9", "p1"]
    assert found.test_user_ids.to_pylist() == ["ann", "new", "zoe"]
    assert found.test_users.tolist() == [1, -1, 0]
    # Pairs that come twice are one; posts that only the test knows are behind the trained ones.
    assert found.relevant.toarray().tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert (found.unknown_pairs, found.known_pairs) == (2, 0)


def test_interactions_of_a_pair_are_summed_in_the_matrix(tmp_path: Path) -> None:
    found = split_of(tmp_path, "a,1\nb,1\na,1\na,1\nc,2\n", "a,2\nb,2\n")

    assert found.training.interactions.matrix(0, 0).toarray().tolist() == [[2, 0], [1, 0], [0, 1]]
    assert not found.training.timed


def test_the_newest_training_time_is_now(tmp_path: Path) -> None:
    training = written(tmp_path, "user_id,post_id,created_at\na,1,3600\nb,2,10800\n")
    test = written(tmp_path, "user_id,post_id,created_at\na,2,99999999\nb,3,99999999\n", "test.csv")

    found = read_split(training, test)

    assert found.training.timed
    assert found.training.interactions.times.tolist() == [-2, 0]


def test_pairs_of_the_test_that_are_in_the_training_are_counted(tmp_path: Path) -> None:
    assert split_of(tmp_path, "a,1\nb,1\nb,2\n", "a,2\nb,2\nnew,1\n").known_pairs == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("user_id,post_id\n", "there are no rows below the header"),
        ("user_id,post_id\ra,1\rb,2\r", "line 1: not a header, do lines end as usual?"),
        ("user_id,post_id,created_at\na,1,99999999999999\n", "line 2: not a time from 1970 to 2199"),
        ("user_id,post_id,created_at\na,1,-5\n", "line 2: not a time from 1970 to 2199"),
        ("user_id,post_id\n\n  \n", "there are no rows below the header"),
        (
            "user_id,item\na,1\n",
            "unknown column 'item': a header is expected, which may name user_id, post_id",
        ),
        ("a,1\nb,1\n", "unknown column 'a'"),
        ("user_id,weight\na,1\n", "there is no column 'post_id' in the header: user_id, weight"),
        ("user_id,post_id,user_id\na,1,a\n", "there are two columns 'user_id'"),
        ("user_id,post_id\na,1\n\na\n", "line 4: 1 columns instead of 2"),
        ("user_id,post_id\na,1\na,2,3\n", "line 3: 3 columns instead of 2"),
        ("user_id,post_id\na,1\n,2\n", "line 3: empty user id"),
        ("user_id,post_id\n\na,\n", "line 3: empty post id"),
        ("user_id,post_id,weight\na,1,1\na,1,-2\n", "line 3: not a weight, which is a number from 0 up: '-2'"),
        ("user_id,post_id,weight\na,1,1\na,1,NaN\n", "line 3: not a weight, which is a number from 0 up: 'NaN'"),
        ("user_id,post_id,weight\na,1,inf\n", "line 2: not a weight, which is a number from 0 up: 'inf'"),
        ("user_id,post_id,weight\na,1,\n", "line 2: not a weight, which is a number from 0 up: ''"),
        ("user_id,post_id,weight\na,1,1\na,1,lots\n", "line 3: not a weight, which is a number from 0 up: 'lots'"),
        ("user_id,post_id,created_at\na,1,5\na,1,soon\n", "line 3: not a time, in ISO 8601 or Unix seconds: 'soon'"),
        ('user_id,post_id,created_at\n"a\nb",1,5\na,1,\n', "line 4: not a time, in ISO 8601 or Unix seconds: ''"),
        ('{"user_id": "a"}\n', "it is named .csv but holds JSON Lines"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(InvalidInput) as raised:
        read_interaction_file(path)

    assert str(raised.value).startswith(f"{path}: {message}")
    assert "\n" not in str(raised.value)


def test_what_is_not_utf_8_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(b"user_id,post_id\na,1\nb\xff,1\n")

    with pytest.raises(InvalidInput, match="line 3: not UTF-8"):
        read_interaction_file(path)


def test_a_file_that_is_not_there_or_not_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        read_interaction_file(tmp_path / "absent.csv")
    with pytest.raises(InvalidInput, match="it holds JSON Lines: CSV or TSV is expected"):
        read_interaction_file(written(tmp_path, '{"user_id": "a"}\n', "rows.jsonl"))


@pytest.mark.parametrize(
    ("training", "test", "message"),
    [
        ("a,1\na,2\n", "a,3\nb,3\n", "the training has one user only"),
        ("a,1\nb,2\n", "a,3\n", "the test has one user only"),
        ("a,1\nb,2\n", "c,1\nd,2\n", "no users in common"),
        ("a,1\nb,2\n", "b,2\na,1\n", "nothing to find: all of the test's pairs are in the training"),
    ],
)
def test_splits_by_which_nothing_can_be_judged_are_refused(
    tmp_path: Path, training: str, test: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        split_of(tmp_path, training, test)


def test_many_rows_are_read_by_the_column(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(0, 5_000, (100_000, 2))
    text = "user_id,post_id\n" + "".join(f"u{user},p{post}\n" for user, post in numbers.tolist())

    found = read_interaction_file(written(tmp_path, text))

    assert found.user_ids.to_pylist() == [f"u{user}" for user in numbers[:, 0].tolist()]
    assert found.post_ids.to_pylist() == [f"p{post}" for post in numbers[:, 1].tolist()]


def test_bytes_that_are_no_text_are_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(bytes([0xE7, 0x80, 13, 200]) * 50)

    with pytest.raises(InvalidInput, match="not UTF-8"):
        read_interaction_file(tmp_path / "rows.csv")


def test_an_id_longer_than_any_line_should_be_is_told_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"line 2: .*field limit"):
        read_interaction_file(written(tmp_path, f"user_id,post_id\n{'a' * 200_000},1\n"))


def test_files_without_a_post_in_common_and_weights_that_are_all_zero_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no posts in common"):
        split_of(tmp_path, "a,1\nb,2\n", "a,3\nb,4\n")
    weightless = written(tmp_path, "user_id,post_id,weight\na,1,0\nb,2,0\n")
    with pytest.raises(InvalidInput, match="all weights of the training are 0"):
        read_split(weightless, written(tmp_path, "user_id,post_id\na,2\nb,1\n", "test.csv"))
