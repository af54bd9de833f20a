"""Everything killed at once, and started again."""

from pathlib import Path

import httpx
import psutil

from tests.e2e.conftest import start_service, stop_service

DEMO_USER = "027baf23-101f-48d2-b7d1-4a23e6cf8e4a"


def test_after_kill_9_of_everything_the_next_up_serves_the_same_feeds(tmp_path: Path) -> None:
    service = start_service(tmp_path)
    body = {"user_id": DEMO_USER, "limit": 50}
    before = httpx.post(f"{service.url}/recommendations/generate", json=body).json()
    everything = [psutil.Process(service.process.pid), *psutil.Process(service.process.pid).children(recursive=True)]

    for process in everything:
        process.kill()
    service.process.wait(10)
    again = start_service(tmp_path)
    after = httpx.post(f"{again.url}/recommendations/generate", json=body).json()

    stop_service(again)
    # It may have been made anew meanwhile, by the same model of the same history.
    assert after["recommendations"] == before["recommendations"]
    assert after["model_version"] == before["model_version"]
