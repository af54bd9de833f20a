"""Which program it is."""

import re
from pathlib import Path

import pytest

from core.infrastructure import code_revision as module
from core.infrastructure.code_revision import code_revision


@pytest.fixture(autouse=True)
def _not_remembered() -> None:
    code_revision.cache_clear()


def test_a_checkout_is_named_by_its_commit_or_else_the_source_by_its_digest() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}(-dirty)?|source:[0-9a-f]{12}", code_revision())


def test_without_a_checkout_the_source_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "one.py").write_text("one = 1\n")
    one = code_revision()
    (tmp_path / "core" / "one.py").write_text("one = 2\n")
    code_revision.cache_clear()

    assert one.startswith("source:")
    assert code_revision() != one


def test_without_git_the_source_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert code_revision().startswith("source:")
