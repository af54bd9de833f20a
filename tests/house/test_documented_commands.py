"""Commands in the documents can be typed as they stand, and every command and route is in README."""

import re
import shlex
from importlib import import_module

import pytest
from typer.main import get_command

from scripts.cli import COMMANDS
from tests.house.tree import ROOT, documents, name_of

README = (ROOT / "README.md").read_text()


def documented_lines() -> list[tuple[str, str]]:
    """Each `threads-ml …` line of a code block, with the document's name; continued lines are joined."""
    found = []
    for document in documents():
        text = document.read_text().replace("\\\n", " ")
        for line in re.findall(r"^ {4,}(?:.* )?(threads-ml [a-z].*)$", text, re.MULTILINE):
            found.append((name_of(document), line.partition(" #")[0].strip()))
    return found


def options_of(command: str) -> set[str]:
    """The options that a command takes, those of all its subcommands included."""
    return _options(get_command(import_module(COMMANDS[command]).app))


def _options(command: object) -> set[str]:
    own = {option for parameter in getattr(command, "params", []) for option in parameter.opts}
    return own.union(*(_options(inner) for inner in getattr(command, "commands", {}).values())) | {"--help"}


@pytest.mark.parametrize(("document", "line"), documented_lines())
def test_a_documented_command_takes_the_options_it_is_given(document: str, line: str) -> None:
    _, command, *words = shlex.split(line)

    assert command in COMMANDS
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options_of(command)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"threads-ml {command}" in README


def test_every_route_is_in_the_readme() -> None:
    from web.openapi import openapi_document

    routes = [
        f"{method.upper()} {path}"
        for path, operations in openapi_document()["paths"].items()
        for method in operations
        if method in {"get", "post", "put", "patch", "delete"}
    ]

    assert len(routes) >= 5
    assert [route for route in routes if f"`{route}`" not in README] == []
