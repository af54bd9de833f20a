"""Every source file is typed, strictly."""

import tomllib

from tests.house.tree import ROOT, SOURCE_FOLDERS, run_module


def test_mypy_finds_nothing() -> None:
    checked = run_module("mypy")

    assert checked.returncode == 0, checked.stdout


def test_mypy_is_strict_and_sees_every_source_folder() -> None:
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]

    assert configured["strict"] is True
    assert set(SOURCE_FOLDERS) <= set(configured["packages"])
