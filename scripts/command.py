"""What all commands share: their options, and how they end."""

import asyncio
import getpass
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from core.domain.errors import ConfigurationError, ThreadsMlError

Result = TypeVar("Result")

DataDir = Annotated[
    Path, typer.Option("--data-dir", help="Where `up` keeps its servers; used when DATABASE_URL is not set.")
]
MOST_COLUMNS = 1000
DEFAULT_DATA_DIR = Path(".threads-ml")

console = Console(soft_wrap=True, highlight=False)


def print_table(table: Table) -> None:
    """As wide as it needs where nobody watches: a file or a pipe has no margin."""
    if console.is_terminal:
        console.print(table)
        return
    unbounded = Console(width=MOST_COLUMNS)
    Console(width=unbounded.measure(table).maximum).print(table)


def operator() -> str:
    """Who gives the command, for the registry to note; in a container it may be a number without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def command_app() -> typer.Typer:
    """A Typer application for one command."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False)


async def until_signalled(work: Coroutine[None, None, None]) -> None:
    """SIGTERM, SIGINT and SIGHUP cancel the work, which then closes what it opened; that is a good end."""
    task = asyncio.ensure_future(work)
    signalled = False

    def cancel() -> None:
        nonlocal signalled
        if not signalled:
            signalled = True
            console.print("stopping")
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, cancel)
    try:
        await task
    except asyncio.CancelledError:
        if not signalled:
            raise


def run_to_end(command: Coroutine[None, None, Result]) -> Result:
    """Run the command; what is wrong on purpose becomes one line on standard error and a non-zero exit code."""
    try:
        return asyncio.run(command)
    except ThreadsMlError as error:
        print(f"threads-ml: {error}", file=sys.stderr)
        raise typer.Exit(ConfigurationError.EXIT_CODE if isinstance(error, ConfigurationError) else 1) from error
    except KeyboardInterrupt:
        print("threads-ml: interrupted", file=sys.stderr)
        raise typer.Exit(130) from None
