"""The Dockerfile, read."""

import json
import re

from tests.house.tree import ROOT


def instructions() -> list[tuple[str, str]]:
    """Pairs of an instruction and its arguments, in order; every instruction stands on one line."""
    lines = (line for line in (ROOT / "Dockerfile").read_text().splitlines() if line and not line.startswith("#"))
    return [(word, arguments) for word, _, arguments in (line.partition(" ") for line in lines)]


def arguments_of(instruction: str) -> list[str]:
    """The arguments of each such instruction, in order."""
    return [arguments for word, arguments in instructions() if word == instruction]


def files_of_the_install() -> list[str]:
    """What is copied before the packages are installed."""
    return arguments_of("COPY")[0].split()[:-1]


def install_command(extra_groups: str = "") -> list[str]:
    """The command that installs the packages, without `uv` itself."""
    [command] = [arguments for arguments in arguments_of("RUN") if arguments.startswith("uv ")]
    return command.replace("${EXTRA_GROUPS}", extra_groups).split()[1:]


def health_command() -> list[str]:
    """The command by which Docker asks whether the service lives."""
    [arguments] = arguments_of("HEALTHCHECK")
    command: list[str] = json.loads(re.sub(r"^.*? CMD (?=\[)", "", arguments))
    return command
