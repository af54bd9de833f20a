"""A web process with one route more, which answers a constant: what the server itself can do.

Run as `python -m scripts.bench.serving PORT BYTES`; everything else comes from the environment, as for `python -m web`.
"""

import socket
import sys

from sanic.response import HTTPResponse, raw

from core.logs import set_up_logs
from core.settings import load_settings
from web.app import create_app
from web.context import HttpRequest
from web.request_id import name_request
from web.shortcut import ShortcutProtocol
from web.wiring import open_use_cases

HOST = "127.0.0.1"
CONSTANT_PATH = "/constant"


def main(port: int, size: int) -> None:
    """Serve until SIGTERM."""
    settings = load_settings()
    set_up_logs(settings.log_level, "web", name_request)
    app = create_app(settings, open_use_cases)
    body = b"x" * size

    async def constant(_: HttpRequest) -> HTTPResponse:
        return raw(body, content_type="application/json")

    app.add_route(constant, CONSTANT_PATH, methods=["POST"])
    listener = socket.create_server((HOST, port), backlog=1024)
    app.run(sock=listener, protocol=ShortcutProtocol, single_process=True, motd=False, access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
