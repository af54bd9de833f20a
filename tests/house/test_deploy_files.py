"""What starts processes names things that exist."""

import os
import re
import shlex
import shutil
import sys
import tomllib
from importlib.util import find_spec

import pytest

from core.domain.job import Queue
from scripts.cli import COMMANDS
from tests.house.tree import ROOT

PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_procfile_starts_the_processes_of_a_deploy() -> None:
    assert list(PROCFILE) == ["web", "worker", "worker-bulk", "clock", "release"]


@pytest.mark.parametrize("process", PROCFILE)
def test_each_process_runs_something_that_exists(process: str) -> None:
    words = shlex.split(PROCFILE[process])
    if words[:2] == ["nice", "-n"]:
        assert shutil.which("nice")
        words = words[3:]

    if words[:2] == ["python", "-m"]:
        assert find_spec(f"{words[2]}.__main__")
    else:
        assert words[0] in PYPROJECT["project"]["scripts"]
        assert words[1] in COMMANDS


def test_the_two_workers_take_one_queue_each() -> None:
    queues = {name: shlex.split(PROCFILE[name])[-1] for name in ("worker", "worker-bulk")}

    assert queues == {"worker": Queue.FEEDS, "worker-bulk": Queue.FEEDS_BULK}


def test_every_command_has_a_file_that_exists() -> None:
    assert [module for module in COMMANDS.values() if find_spec(module) is None] == []


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    lines = script.read_text().splitlines()
    opening = (ROOT / "README.md").read_text().partition("\n## ")[0]

    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in lines
    assert lines[-1] == "uv run pytest"
    assert re.search(r"^ {4}uv run pytest(?: |$)", opening, re.MULTILINE)


def test_one_python_version_everywhere() -> None:
    version = (ROOT / ".python-version").read_text().strip()
    bases = re.findall(r"^FROM python:(\S+?)-slim", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert PYPROJECT["project"]["requires-python"].startswith(f">={version},")
    assert set(bases) == {version}
    assert sys.version_info[:2] >= tuple(int(part) for part in version.split("."))
