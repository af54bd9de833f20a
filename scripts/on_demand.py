"""Command groups that load a command's module only when it is called."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command as as_click_command


def loading_on_demand(modules: Mapping[str, str]) -> type[TyperGroup]:
    """A group of these commands: `status` need not wait for the numeric stack that `train` loads."""

    class CommandsOnDemand(TyperGroup):
        """Knows its commands by the names of their modules."""

        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
            return list(modules)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
            if cmd_name not in modules:
                return None
            command = as_click_command(import_module(modules[cmd_name]).app)
            command.name = cmd_name
            return command

    return CommandsOnDemand
