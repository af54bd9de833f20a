"""Run one web process: python -m web [--host H] [--port N] [--reload]."""

import argparse
import errno
import logging
import shlex
import socket
import sys
from pathlib import Path

from core.domain.errors import ConfigurationError, ThreadsMlError
from core.logs import set_up_logs
from core.settings import load_settings
from web.app import create_app
from web.request_id import name_request
from web.shortcut import ShortcutProtocol
from web.wiring import open_use_cases

CONFIGURATION_EXIT_CODE = 78
BACKLOG = 1024


class PortNotFree(ThreadsMlError):
    """The address cannot be listened on."""


def main() -> int:
    """Serve until SIGTERM or Ctrl-C; the exit code."""
    arguments = _arguments()
    try:
        if arguments.reload:
            return _serve_with_reload()
        _serve(arguments)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return CONFIGURATION_EXIT_CODE
    except PortNotFree as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m web", description="Serve the HTTP API.")
    parser.add_argument("--host", help="address to listen on (API_HOST)")
    parser.add_argument("--port", help="port to listen on (PORT, API_PORT)")
    parser.add_argument("--reload", action="store_true", help="start again when the code changes (development)")
    return parser.parse_args()


def _serve(arguments: argparse.Namespace) -> None:
    flags = {"API_HOST": arguments.host, "PORT": arguments.port}
    settings = load_settings(flags={name: value for name, value in flags.items() if value is not None})
    set_up_logs(settings.log_level, "web", name_request)
    _quiet_sanic()
    app = create_app(settings, open_use_cases)
    with _listening(settings.api_host, settings.listen_port) as listener:
        app.run(
            sock=listener,
            protocol=ShortcutProtocol,
            single_process=True,
            motd=False,
            access_log=False,
            backlog=BACKLOG,
        )


def _listening(host: str, port: int) -> socket.socket:
    """Bound before Sanic starts, which would log a traceback and leave with exit code 0."""
    is_ipv6 = ":" in host
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    try:
        return socket.create_server(
            (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=is_ipv6 and socket.has_dualstack_ipv6()
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortNotFree(
                f"port {port} is in use: stop what listens there, or choose another with --port"
            ) from error
        raise PortNotFree(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error


def _quiet_sanic() -> None:
    """Sanic tells of every start and stop in its own words; and a configuration error has its one line already."""
    for name in ("sanic.root", "sanic.server"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("sanic.error").addFilter(_is_no_configuration_error)


def _is_no_configuration_error(record: logging.LogRecord) -> bool:
    return record.exc_info is None or not isinstance(record.exc_info[1], ConfigurationError)


def _serve_with_reload() -> int:
    """Run the same command without the flag, again whenever the code of core or web changes."""
    try:
        from watchfiles import PythonFilter, run_process  # noqa: PLC0415 - for development, not installed elsewhere
    except ImportError as error:
        raise ConfigurationError("--reload needs the package watchfiles: uv sync --group reload") from error
    project = Path(__file__).parents[1]
    command = [sys.executable, "-m", "web", *(word for word in sys.argv[1:] if word != "--reload")]
    run_process(
        *(project / "core", project / "web"),
        target=shlex.join(command),
        target_type="command",
        watch_filter=PythonFilter(),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
