"""Model files: what goes in comes out, and nothing else comes in."""

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from core.domain.errors import ArtefactRefused, ConfigurationError, StorageFull
from core.infrastructure.joblib_model_file import read_model, write_model

ARRAYS = {"weights": np.arange(1000, dtype=np.float32), "keys": np.arange(32, dtype=np.uint8).reshape(2, 16)}


class Exploit:
    """Unpickled by a careless reader, it leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.trace}",)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_arrays_survive_and_are_mapped_read_only(tmp_path: Path) -> None:
    path = write_model(tmp_path, ARRAYS)

    read = read_model(path, sha256_of(path))

    assert read.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array)
        assert isinstance(read[name], np.memmap)
        assert not read[name].flags.writeable


def test_the_same_arrays_give_the_same_bytes_under_a_name_by_content(tmp_path: Path) -> None:
    one = write_model(tmp_path / "one", ARRAYS)
    other = write_model(tmp_path / "other", dict(reversed(ARRAYS.items())))

    assert one.name == other.name == f"{sha256_of(one)}.joblib"
    assert [file.name for file in one.parent.iterdir()] == [one.name]


def test_what_a_killed_process_left_is_removed_but_not_what_a_living_one_writes(tmp_path: Path) -> None:
    left, living = tmp_path / ".partial-left.joblib", tmp_path / ".partial-living.joblib"
    for file in (left, living):
        file.touch()
    os.utime(left, (0, 0))

    write_model(tmp_path, ARRAYS)

    assert not left.exists()
    assert living.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="MODEL_PATH"):
        write_model(tmp_path / "file", ARRAYS)


def test_nothing_is_left_of_a_file_that_could_not_be_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_disk(value: Any, file: Any) -> None:
        file.write(b"beginning")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(joblib, "dump", fill_disk)

    with pytest.raises(StorageFull, match="No space left"):
        write_model(tmp_path, ARRAYS)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compress", [0, 3])
@pytest.mark.parametrize("wrap", ["bare", "list", "dict", "object array"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, wrap: str, compress: int) -> None:
    trace, path = tmp_path / "trace", tmp_path / "model.joblib"
    exploit = Exploit(trace)
    shapes: dict[str, Any] = {
        "bare": exploit,
        "list": [exploit],
        "dict": {"weights": exploit},
        "object array": {"weights": np.array([exploit, None], dtype=object)},
    }
    joblib.dump(shapes[wrap], path, compress=compress)

    with pytest.raises(ArtefactRefused):
        read_model(path, sha256_of(path))

    assert not trace.exists()


def test_a_plain_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "model.joblib"
    path.write_bytes(pickle.dumps(Exploit(trace)))

    with pytest.raises(ArtefactRefused, match="only numeric arrays"):
        read_model(path, sha256_of(path))

    assert not trace.exists()


def test_arrays_of_harmless_objects_are_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump({"weights": np.array([1, "two"], dtype=object)}, path)

    with pytest.raises(ArtefactRefused, match="numeric arrays"):
        read_model(path, sha256_of(path))


@pytest.mark.parametrize("content", [{"weights": "text"}, [1, 2], 7, np.arange(3)])
def test_anything_but_a_dictionary_of_arrays_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(content, path)

    with pytest.raises(ArtefactRefused):
        read_model(path, sha256_of(path))


def test_a_flipped_bit_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = write_model(tmp_path, ARRAYS)
    expected = sha256_of(path)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)

    with pytest.raises(ArtefactRefused, match="sha256"):
        read_model(path, expected)


def test_a_file_cut_short_is_refused_even_under_its_own_digest(tmp_path: Path) -> None:
    path = write_model(tmp_path, ARRAYS)
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(ArtefactRefused, match="damaged"):
        read_model(path, sha256_of(path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactRefused, match="cannot be read"):
        read_model(tmp_path / "none.joblib", "0" * 64)


def test_a_file_exchanged_while_it_is_loaded_does_not_get_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_model(tmp_path, ARRAYS)
    expected, digest_of = sha256_of(path), hashlib.file_digest

    def digest_and_exchange(file: Any, name: str) -> Any:
        digested = digest_of(file, name)
        other = tmp_path / "other"
        joblib.dump({"weights": np.zeros(3)}, other)
        other.replace(path)
        return digested

    monkeypatch.setattr(hashlib, "file_digest", digest_and_exchange)

    assert read_model(path, expected)["weights"].sum() == ARRAYS["weights"].sum()
