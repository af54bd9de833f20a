"""README's settings table, .env.example and core.settings say the same."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import fields

from core.settings import Settings, load_settings
from tests.house.tree import ROOT

EXAMPLE = ROOT / ".env.example"
WITHOUT_DEFAULT = {field.encode_name for field in fields(Settings) if field.default in ("", None)}


def readme_table() -> dict[str, str]:
    """Names and defaults of the table's rows; an empty default is written as a dash."""
    section = (ROOT / "README.md").read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`(.*?)`|–) \| (\S.*?) \|$", section, re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows}), "a setting has two rows"
    return {name: default for name, default, _ in rows}


def example() -> dict[str, str]:
    """Names and values of .env.example."""
    pairs = [line.partition("=")[::2] for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    assert len(pairs) == len({name for name, _ in pairs}), "a variable is set twice"
    return dict(pairs)


@pytest.mark.parametrize("documented", [readme_table, example])
def test_every_setting_is_documented_and_nothing_else(documented: Callable[[], dict[str, str]]) -> None:
    assert list(documented()) == [field.encode_name for field in fields(Settings)]


@pytest.mark.parametrize("documented", [readme_table, example])
def test_the_documented_defaults_are_the_defaults(documented: Callable[[], dict[str, str]]) -> None:
    texts = documented()

    assert load_settings(texts, env_file=None) == Settings()
    assert {name for name, text in texts.items() if not text} == WITHOUT_DEFAULT


def test_the_example_copied_as_it_stands_changes_nothing(tmp_path: Path) -> None:
    copied = tmp_path / ".env"
    copied.write_text(EXAMPLE.read_text())

    assert load_settings({}, env_file=copied) == Settings()


def test_every_group_of_the_example_is_explained() -> None:
    groups = re.split(r"\n\n+", EXAMPLE.read_text().strip())

    assert all(group.startswith("# ") for group in groups)
