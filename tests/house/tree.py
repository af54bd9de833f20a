"""The project's files, and programs run over them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE_FOLDERS = ("core", "web", "worker", "scripts", "migrations")
FOLDERS = (*SOURCE_FOLDERS, "tests", "docs", ".ci")


def files(*folders: str, suffix: str = "") -> Iterator[Path]:
    """The files below these folders, those that tools leave there excepted."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob(f"*{suffix}")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def documents() -> list[Path]:
    """README and everything under docs/ that is written for people."""
    return [ROOT / "README.md", *files("docs", suffix=".md")]


def name_of(path: Path) -> str:
    """The path from the project's top folder on."""
    return path.relative_to(ROOT).as_posix()


def modules(*packages: str) -> list[str]:
    """Dotted names of all modules that can be imported; Alembic alone can run its environment and revisions."""
    paths = (path.relative_to(ROOT).with_suffix("") for path in files(*packages, suffix=".py"))
    return [
        ".".join(path.parts).removesuffix(".__init__")
        for path in paths
        if path.parts[0] != "migrations" or path.name == "__init__"
    ]


def run(*command: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end; what it said on both outputs is in `stdout`."""
    return subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False
    )


def run_module(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run `python -m …` with this interpreter."""
    return run(sys.executable, "-m", *command)


def run_uv(*arguments: str, env: Mapping[str, str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run the uv that runs the tests, with additions to its environment."""
    return run(os.environ.get("UV", "uv"), *arguments, env={**os.environ, **env}, cwd=cwd)
