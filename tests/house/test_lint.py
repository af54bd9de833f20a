"""The code reads as one."""

from tests.house.tree import run_module


def test_ruff_finds_nothing() -> None:
    checked = run_module("ruff", "check", ".")

    assert checked.returncode == 0, checked.stdout


def test_every_file_is_formatted() -> None:
    checked = run_module("ruff", "format", "--check", ".")

    assert checked.returncode == 0, checked.stdout
