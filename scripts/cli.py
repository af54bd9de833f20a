"""The command line `threads-ml`: which command lives in which file."""

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command as as_click_command

COMMANDS = {
    "up": "scripts.up",
    "migrate": "scripts.migrate",
    "generate-fake-interactions": "scripts.generate_fake_interactions",
    "import": "scripts.import_",
    "train": "scripts.train",
    "enqueue": "scripts.enqueue_active_users",
    "status": "scripts.status",
    "bench": "scripts.bench.cli",
}


class CommandsOnDemand(TyperGroup):
    """Loads a command's module when it is called: `status` need not wait for the numeric stack that `train` loads."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """The commands in the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        """The command of that name, None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        command = as_click_command(import_module(COMMANDS[cmd_name]).app)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=CommandsOnDemand,
    help="Recommendations for an app with a feed, beside its Postgres.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _commands() -> None:
    """Recommendations for an app with a feed, beside its Postgres."""


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    sys.exit(app())
