"""One whole service, started as a newcomer starts it: `threads-ml up` in an empty folder, with .env.example as .env."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

PROJECT = Path(__file__).parents[2]
READY_WITHIN_SECONDS = 120
STOPPED_WITHIN_SECONDS = 35


@dataclass(frozen=True)
class Service:
    """A running `up`, its folder and its address."""

    process: "subprocess.Popen[bytes]"
    folder: Path
    url: str

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run another `threads-ml` command in the same folder."""
        return subprocess.run(
            [sys.executable, "-m", "scripts.cli", *arguments],
            cwd=self.folder,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        completed = self.command("status", "--json")
        assert completed.returncode == 0, completed.stderr
        facts: dict[str, Any] = json.loads(completed.stdout)
        return facts

    def processes(self, *words: str) -> list[psutil.Process]:
        """Descendants of `up` whose command line has all these words."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if all(word in " ".join(child.cmdline()) for word in words)]


def clean_environment() -> dict[str, str]:
    """This process's environment without anything the service would listen to."""
    unwanted = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "PORT", "MODEL_PATH", "COVERAGE_PROCESS_START")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "PYTHONPATH": str(PROJECT)}


def start_service(folder: Path) -> Service:
    port = free_port()
    log = (folder / "up.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.cli", "up", "--port", str(port)],
        cwd=folder,
        env=clean_environment(),
        stdout=log,
        stderr=log,
    )
    log.close()
    service = Service(process, folder, f"http://127.0.0.1:{port}")
    try:
        wait_until(lambda: is_ready(service), READY_WITHIN_SECONDS, "the service is ready")
    except AssertionError:
        process.kill()
        raise AssertionError((folder / "up.log").read_text()[-5000:]) from None
    return service


def stop_service(service: Service) -> None:
    children = psutil.Process(service.process.pid).children(recursive=True)
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(STOPPED_WITHIN_SECONDS) == 0, (service.folder / "up.log").read_text()[-3000:]
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive


def is_ready(service: Service) -> bool:
    """Ready, and done with what `up` does before it prints how to try the service."""
    assert service.process.poll() is None, (service.folder / "up.log").read_text()[-5000:]
    return "curl" in (service.folder / "up.log").read_text() and httpx.get(f"{service.url}/ready").status_code == 200


def wait_until(condition: Callable[[], bool], timeout_seconds: float, what: str) -> None:
    """Look again and again at a real condition, until a deadline that says what was waited for."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_seconds} s in vain until {what}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("newcomer")
    shutil.copy(PROJECT / ".env.example", folder / ".env")
    running = start_service(folder)
    yield running
    if running.process.poll() is None:
        stop_service(running)


@pytest.fixture
def api(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=30) as client:
        yield client
