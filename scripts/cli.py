"""The command line `threads-ml`: which command lives in which file."""

import sys

import typer

from scripts.on_demand import loading_on_demand

COMMANDS = {
    "up": "scripts.up",
    "migrate": "scripts.migrate",
    "generate-fake-interactions": "scripts.generate_fake_interactions",
    "import": "scripts.import_",
    "train": "scripts.train",
    "models": "scripts.models",
    "enqueue": "scripts.enqueue_active_users",
    "clock": "scripts.clock",
    "purge": "scripts.purge",
    "runs": "scripts.runs",
    "jobs": "scripts.jobs",
    "status": "scripts.status",
    "why": "scripts.why",
    "evaluate": "scripts.evaluate",
    "tune": "scripts.tune",
    "bench": "scripts.bench.cli",
}

app = typer.Typer(
    cls=loading_on_demand(COMMANDS), no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def _commands() -> None:
    """Recommendations for an app with a feed, beside its Postgres."""


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    sys.exit(app())
