"""The image is made by commands that the tests run, and starts the service as a user without rights."""

import json
import sys

import pytest

from tests.house.answering import answering
from tests.house.dockerfile import arguments_of, files_of_the_install, health_command, install_command, instructions
from tests.house.tree import ROOT, run


def test_nothing_runs_in_the_image_that_no_test_runs_except_making_its_user() -> None:
    commands = arguments_of("RUN")

    assert f"uv {' '.join(install_command('${EXTRA_GROUPS}'))}" in commands  # test_slug_size runs it
    assert "command -v uv >/dev/null || pip install uv" in (ROOT / ".ci" / "run").read_text()
    assert [command.split()[0] for command in commands] == ["pip", "uv", "useradd"]


def test_the_install_needs_nothing_but_the_lock_and_the_project_file() -> None:
    assert files_of_the_install() == ["pyproject.toml", "uv.lock", "README.md", "LICENSE"]
    assert install_command() == ["sync", "--frozen", "--no-default-groups"]


def test_the_service_runs_as_a_user_without_rights() -> None:
    words = [word for word, _ in instructions()]

    assert arguments_of("USER") == ["threads-ml"]
    assert words.index("USER") < words.index("CMD")
    assert "PYTHONUNBUFFERED=1" in arguments_of("ENV")[-1].split()


def test_the_image_starts_what_the_procfile_starts() -> None:
    [command] = arguments_of("CMD")

    assert f"web: {' '.join(json.loads(command))}" in (ROOT / "Procfile").read_text().splitlines()


def test_what_the_service_needs_is_not_kept_out_of_the_image() -> None:
    ignored = set((ROOT / ".dockerignore").read_text().split())

    assert not ignored & {"core", "web", "worker", "scripts", "migrations", "alembic.ini", *files_of_the_install()}
    assert {".env", ".git", ".venv"} <= ignored


@pytest.mark.parametrize(("status", "exit_code"), [(200, 0), (503, 1)])
@pytest.mark.parametrize("variable", ["PORT", "API_PORT"])
def test_the_health_check_asks_the_service_where_it_listens(variable: str, status: int, exit_code: int) -> None:
    with answering(status) as (port, asked):
        checked = run(sys.executable, *health_command()[1:], env={variable: str(port)})

    assert health_command()[0] == "python"
    assert checked.returncode == exit_code
    assert asked == ["/health"]
