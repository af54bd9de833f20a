"""Machine code is made once for a machine, in a folder of ours, and its absence stops nobody."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from structlog.testing import capture_logs

from core.infrastructure.numba_machine_code import warm_kernels
from core.recommender import compiled

WARM_AND_TELL = """
import json, sys
from pathlib import Path
import core.recommender.interaction_matrix, core.recommender.inverted_index
from core.infrastructure.numba_machine_code import warm_kernels
from core.recommender.compiled import Kernel
warm_kernels(Path(sys.argv[1]))
codes = [kernel.compile() for kernel in Kernel.known]
print(json.dumps([len(codes), sum(sum(code.stats.cache_hits.values()) for code in codes)]))
"""


def warmed(model_path: Path) -> tuple[int, int]:
    """In a new process: how many kernels there are, and how many of them were found made."""
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", WARM_AND_TELL, str(model_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    kernels, found = json.loads(done.stdout.splitlines()[-1])
    return kernels, found


def test_an_override_that_cannot_be_used_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(compiled.Kernel, "known", compiled.Kernel.known[:1])

    kept_in = numba.config.CACHE_DIR
    with capture_logs() as logs:
        warm_kernels(tmp_path)
    numba.config.CACHE_DIR = kept_in

    assert [(line["event"], line["folder"]) for line in logs] == [("machine_code_not_kept", str(tmp_path / "file"))]


def test_the_second_process_finds_what_the_first_one_made(tmp_path: Path) -> None:
    kernels, found_first = warmed(tmp_path)
    _, found_then = warmed(tmp_path)

    assert kernels >= 5
    assert (found_first, found_then) == (0, kernels)
    assert list((tmp_path / "machine_code").rglob("*.nbi"))


def test_two_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WARM_AND_TELL, str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    pair = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]

    said = [json.loads(process.communicate()[0].splitlines()[-1]) for process in pair]

    kernels = said[0][0]
    assert sorted(found for _, found in said) == [0, kernels]


@pytest.mark.parametrize("hindrance", ["a file in the way", "spoilt machine code"])
def test_a_folder_that_is_of_no_use_costs_time_and_nothing_else(tmp_path: Path, hindrance: str) -> None:
    if hindrance == "a file in the way":
        (tmp_path / "machine_code").write_text("not a folder")
    else:
        warmed(tmp_path)
        for made in (tmp_path / "machine_code").rglob("*.nb?"):
            made.write_bytes(b"spoilt")

    kernels, found = warmed(tmp_path)

    assert (kernels > 0, found) == (True, 0)


def test_machine_code_of_other_sources_is_neither_used_nor_kept(tmp_path: Path) -> None:
    warmed(tmp_path)
    (made,) = (folder for folder in (tmp_path / "machine_code").iterdir() if folder.is_dir())
    made.rename(made.with_name("of an earlier version"))

    _, found = warmed(tmp_path)

    assert found == 0
    assert [folder.name for folder in (tmp_path / "machine_code").iterdir()] == [made.name]
