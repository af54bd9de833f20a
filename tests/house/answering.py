"""A server that gives every request the same status, to try health checks on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """Its port, and the paths it is asked for."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - the standard library's name

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the standard library's signature
            return

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()
