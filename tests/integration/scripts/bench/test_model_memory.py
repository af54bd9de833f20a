"""What a second worker process adds to the memory of a model."""

import json
import sys

import pytest
from typer.testing import CliRunner

from scripts.bench.model_memory import app


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's own pages")
def test_processes_share_the_model_s_pages() -> None:
    result = CliRunner().invoke(
        app, ["--users=20000", "--posts=5000", "--interactions=1500000", "--requests=50", "--json"]
    )

    assert result.exit_code == 0, result.output
    memory = json.loads(result.stdout)
    assert memory["model_bytes"] > 5_000_000
    assert memory["second_share"] < 0.25
    assert memory["first_alone_added"] > memory["first_added"]
