"""A temporary folder lives as long as its process."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from core.infrastructure.temporary_folder import temporary_folder

ROOT = Path(__file__).parents[4]
HOLDER = """
import sys
from core.infrastructure.temporary_folder import temporary_folder
with temporary_folder("some-") as folder:
    (folder / "count").write_text("1")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_it_goes_with_all_that_is_in_it(place: Path) -> None:
    with temporary_folder("some-") as folder:
        (folder / "count").write_text("1")
        assert [*place.iterdir()] == [folder]
        assert folder.name.startswith("some-")

    assert not [*place.iterdir()]


def test_what_a_killed_process_has_left_goes_with_the_next_and_what_a_living_one_holds_stays(place: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with holder:
        assert holder.stdout is not None
        held = Path(holder.stdout.readline().strip())
        with temporary_folder("some-"):
            assert (held / "count").exists()
        holder.kill()
    assert held.exists()

    with temporary_folder("some-") as folder:
        assert [*place.iterdir()] == [folder]


def test_other_folders_and_what_a_link_points_to_stay(place: Path) -> None:
    (place / "other-one").mkdir()
    (place / "some-link").symlink_to(place / "other-one")

    with temporary_folder("some-"):
        pass

    assert {path.name for path in place.iterdir()} == {"other-one", "some-link"}
