"""`threads-ml bench model-memory`: what a second worker process adds to the memory that a model takes."""

import pickle
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from core.domain.errors import ThreadsMlError
from core.infrastructure.joblib_model_file import read_model, write_model
from core.infrastructure.ranking_model import RankingModel
from core.recommender.clustered_interactions import clustered_interactions
from core.recommender.compiled import warm
from scripts.bench.generate import DEPTH, histories_of, model_of
from scripts.command import command_app, console

TARGET_SHARE = 0.25
ANSWER_WITHIN_SECONDS = 600
_ROLLUP = Path("/proc/self/smaps_rollup")

app = command_app()


@dataclass(frozen=True, slots=True)
class ModelMemory:
    """Bytes. added: what loading the model and ranking add to a process's own pages, those it shares left out.

    first_alone: before there is a second process, when the mapped file's pages are its own; second_share: of the
    model's size.
    """

    users: int
    model_bytes: int
    first_alone_added: int
    first_added: int
    second_added: int
    second_share: float


@app.command(name="model-memory")
def model_memory(
    users: Annotated[int, typer.Option(min=20, max=10_000_000)] = 100_000,
    posts: Annotated[int, typer.Option(min=2, max=10_000_000)] = 50_000,
    interactions: Annotated[int, typer.Option(min=1, max=1_000_000_000)] = 5_000_000,
    requests: Annotated[int, typer.Option(min=1, max=1_000_000, help="Feeds that each process makes.")] = 500,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Let two processes load the same model and make feeds, and look at the pages that each has for itself."""
    if not _ROLLUP.exists():
        print(f"threads-ml: {_ROLLUP} is needed, which only Linux has", file=sys.stderr)
        raise typer.Exit(1)
    memory = measure(users, posts, interactions, requests, seed)
    print(msgspec.json.encode(asdict(memory)).decode()) if as_json else console.print(_table(memory))


def measure(users: int, posts: int, interactions: int, requests: int, seed: int) -> ModelMemory:
    """All figures in one sitting, the model in a folder that goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="threads-ml-bench-") as folder:
        matrix = clustered_interactions(users, posts, interactions, seed)
        path = write_model(Path(folder), model_of(matrix).to_arrays())
        asked = Path(folder) / "histories"
        asked.write_bytes(pickle.dumps(histories_of(matrix, min(50, posts), requests, seed)))
        with _worker(path, asked) as first, _worker(path, asked) as second:
            first_before, second_before = _answer(first), _answer(second)
            alone = _told(first, "load")
            second_after = _told(second, "load")
            first_after = _told(first, "tell")
        size = path.stat().st_size
        return ModelMemory(
            users=users,
            model_bytes=size,
            first_alone_added=alone - first_before,
            first_added=first_after - first_before,
            second_added=second_after - second_before,
            second_share=(second_after - second_before) / size,
        )


@contextmanager
def _worker(path: Path, asked: Path) -> Iterator[Connection]:
    """A process that loads and ranks on command, and always tells its own bytes."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, path, asked), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join()


def _work(told: Connection, path: Path, asked: Path) -> None:
    histories = pickle.loads(asked.read_bytes())  # noqa: S301 - written by this program a moment ago
    warm()
    told.send(_own_bytes())
    models: list[RankingModel] = []
    while True:
        try:
            command = told.recv()
        except EOFError:
            return
        if command == "load":
            models = [RankingModel.from_arrays(read_model(path, path.stem))]
        for model in models:
            for history in histories:
                model.rank(history, DEPTH)
        told.send(_own_bytes())


def _own_bytes() -> int:
    """Pages that no other process has: what would be free if this one ended."""
    lines = _ROLLUP.read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _told(worker: Connection, command: str) -> int:
    worker.send(command)
    return _answer(worker)


def _answer(worker: Connection) -> int:
    try:
        if worker.poll(ANSWER_WITHIN_SECONDS):
            return int(worker.recv())
    except EOFError:
        pass
    raise ThreadsMlError("a process that was to load the model is gone: was it killed for its memory?")


def _table(memory: ModelMemory) -> Table:
    table = Table("what", "MB", title=f"a model of {memory.users:,} users; at most {TARGET_SHARE:.0%} is the aim")
    figures = {
        "the model": memory.model_bytes,
        "a first process alone": memory.first_alone_added,
        "the first beside a second": memory.first_added,
        "the second": memory.second_added,
    }
    for name, size in figures.items():
        table.add_row(name, f"{size / 1_000_000:,.1f}")
    table.caption = f"the second adds {memory.second_share:.1%} of the model's size"
    return table


if __name__ == "__main__":
    app()
