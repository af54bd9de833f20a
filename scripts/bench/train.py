"""`threads-ml bench train`: training from Postgres to a registered model against a bare COPY of what it reads."""

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from core.domain.errors import ThreadsMlError
from core.domain.interaction import InteractionType
from core.infrastructure.adbc_interaction_table import COLUMNS
from core.infrastructure.embedded_postgres import EmbeddedPostgres
from core.infrastructure.postgres_pool import connect
from core.recommender.compiled import warm
from core.settings import Settings, load_settings
from scripts.bench.own_database import own_database
from scripts.bench.resident_memory import peak_bytes, resident_from_now_on
from scripts.command import command_app, console, run_to_end
from scripts.training import open_training

TARGET_RATIO, TARGET_BYTES = 3.0, 120.0
COPIES = 3
REGISTERED = "register"
"""The phase that ends with a saved, verified and registered model; what follows lets it serve."""

_PHASES = {"put": "store", "register": REGISTERED, "refresh": "popular", "promote": "promote"}
_INTERACTIONS_PER_USER, _INTERACTIONS_PER_POST = 50, 100
_TYPE_SHARES = (0.7, 0.15, 0.1, 0.05)
_ROWS_AT_ONCE = 100_000
_SECONDS_2000, _SECONDS_30_DAYS = 946_684_800, 30 * 86_400
_MB = 1_000_000

app = command_app()


@dataclass(frozen=True, slots=True)
class Training:
    """One training in a process of its own: seconds of each phase, and the peak of its resident memory.

    peak_bytes: above the idle process, that is with everything imported and compiled; files mapped into memory count.
    """

    memory_limit_mb: int
    phases: dict[str, float]
    users: int
    posts: int
    pairs: int
    artefact_bytes: int
    peak_bytes: int

    @property
    def registered_seconds(self) -> float:
        """From the start to the registered model."""
        names = list(self.phases)
        return sum(self.phases[name] for name in names[: names.index(REGISTERED) + 1])


@dataclass(frozen=True, slots=True)
class TrainRates:
    """Seconds for the same rows: copied out and thrown away, and learned from."""

    rows: int
    copy_seconds: float
    training: Training

    @property
    def ratio(self) -> float:
        """How many bare COPYs a training takes until the model is registered."""
        return self.training.registered_seconds / self.copy_seconds

    @property
    def bytes_per_interaction(self) -> float:
        """The peak of memory above the idle process, by interaction."""
        return self.training.peak_bytes / self.rows


@app.command()
def train(
    rows: Annotated[
        int, typer.Option(min=1_000, max=100_000_000, help="How many interactions to generate.")
    ] = 5_000_000,
    memory_limit_mb: Annotated[
        int, typer.Option(min=0, max=100_000_000, help="MEMORY_LIMIT_MB of the training; 0: no limit.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Compare training with a bare COPY, on DATABASE_URL in a database of its own, or on a server of its own."""
    rates = run_to_end(_measure(rows, memory_limit_mb))
    if as_json:
        print(msgspec.json.encode(_document(rates)).decode())
    else:
        console.print(_table(rates))


async def _measure(rows: int, memory_limit_mb: int) -> TrainRates:
    with TemporaryDirectory(prefix="threads-ml-bench-") as name:
        folder = Path(name)
        settings = replaced(load_settings(), folder, memory_limit_mb)
        if settings.database_url:
            return await measure(rows, settings)
        async with EmbeddedPostgres(folder / "postgres") as server:
            return await measure(rows, msgspec.structs.replace(settings, database_url=server.url))


def replaced(settings: Settings, folder: Path, memory_limit_mb: int) -> Settings:
    """The same settings with what the benchmark decides: nothing of what it learns must serve or stay."""
    return msgspec.structs.replace(
        settings, model_path=folder / "models", model_pin="", memory_limit_mb=memory_limit_mb, track_runs=False
    )


async def measure(rows: int, settings: Settings) -> TrainRates:
    """All figures in one sitting, in a new database that is dropped again."""
    async with own_database(settings.database_url) as url:
        await fill_interactions(url, rows)
        copy_seconds = min([await _copy_seconds(url) for _ in range(COPIES)])
        return TrainRates(rows, copy_seconds, await _train_apart(msgspec.structs.replace(settings, database_url=url)))


async def fill_interactions(url: str, rows: int, users: int | None = None, posts: int | None = None) -> None:
    """Make up so many interactions, fifty a user and a hundred a post if it is not said, and write them in."""
    connection = await connect(url)
    await connection.copy_to_table(
        "user_interaction",
        source=_generated(
            rows, users or rows // _INTERACTIONS_PER_USER + 2, posts or rows // _INTERACTIONS_PER_POST + 2
        ),
        columns=("id", "user_id", "post_id", "created_at", "interaction_type"),
        format="binary",
    )
    await connection.execute("vacuum analyze user_interaction")
    await connection.execute("checkpoint")
    await connection.close()


async def _generated(rows: int, user_count: int, post_count: int) -> AsyncIterator[bytes]:
    """A month of interactions as COPY takes them, UUIDs for ids, some users and posts much busier than others."""
    random = np.random.default_rng(0)
    users = _uuids(random, user_count)
    posts = _uuids(random, post_count)
    yield b"PGCOPY\n\xff\r\n\0" + bytes(8)
    for first in range(0, rows, _ROWS_AT_ONCE):
        count = min(_ROWS_AT_ONCE, rows - first)
        moments = _SECONDS_30_DAYS * np.arange(first, first + count) // rows
        yield _copy_records(random, users, posts, moments + int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()), first)
    yield b"\xff\xff"


def _copy_records(
    random: np.random.Generator,
    users: NDArray[np.void],
    posts: NDArray[np.void],
    seconds: NDArray[np.int64],
    first: int,
) -> bytes:
    names = np.array([kind.value for kind in InteractionType], dtype="S5")
    kinds = names[random.choice(len(names), len(seconds), p=_TYPE_SHARES)]
    # In their order: the primary key grows at its end then, which is several times as fast.
    row_ids = np.zeros((len(seconds), 2), dtype=">u8")
    row_ids[:, 1] = np.arange(first, first + len(seconds))
    fields: tuple[tuple[str, Any, Any], ...] = (
        ("id", "V16", row_ids.view("V16")[:, 0]),
        ("user", "V16", users[(random.random(len(seconds)) ** 2 * len(users)).astype(np.int64)]),
        ("post", "V16", posts[(random.random(len(seconds)) ** 3 * len(posts)).astype(np.int64)]),
        ("moment", ">i8", (seconds - _SECONDS_2000) * 1_000_000),
        ("kind", "S5", kinds),
    )
    parts = [part for name, kind, _ in fields for part in ((f"{name} length", ">i4"), (name, kind))]
    records = np.zeros(len(seconds), dtype=[("fields", ">i2"), *parts])
    records["fields"] = len(fields)
    for name, _, values in fields:
        records[name] = values
        records[f"{name} length"] = np.char.str_len(values) if name == "kind" else values.itemsize
    written = np.ones((len(seconds), records.itemsize), dtype=np.bool_)
    written[:, -1] = records["kind length"] == names.itemsize  # the shorter names are one letter shorter
    return records.view(np.uint8).reshape(written.shape)[written].tobytes()


def _uuids(random: np.random.Generator, count: int) -> NDArray[np.void]:
    return np.frombuffer(random.bytes(16 * count), dtype="V16")


async def _copy_seconds(url: str) -> float:
    connection = await connect(url)
    start = time.perf_counter()
    await connection.copy_from_query(f"select {COLUMNS} from user_interaction", output=_discard, format="binary")  # noqa: S608
    seconds = time.perf_counter() - start
    await connection.close()
    return seconds


async def _discard(chunk: bytes) -> None:
    """The bare COPY's rows go nowhere."""


async def _train_apart(settings: Settings) -> Training:
    """Train in a process of its own, after another one that has left the machine code behind."""
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
            await asyncio.wrap_future(processes.submit(_compile, settings))
            return await asyncio.wrap_future(processes.submit(_trained, settings))
    except BrokenProcessPool as error:
        raise ThreadsMlError("the process that trained is gone: was it killed for its memory?") from error


def _compile(settings: Settings) -> None:
    async def compile_all() -> None:
        async with open_training(settings):
            warm()

    asyncio.run(compile_all())


def _trained(settings: Settings) -> Training:
    """Train in this process, which has done nothing yet."""
    return asyncio.run(_train(settings))


async def _train(settings: Settings) -> Training:
    phases: dict[str, float] = {}

    def mark(phase: str) -> None:
        phases[phase] = time.perf_counter() - start - sum(phases.values())

    async with open_training(settings, on_phase=mark) as train_model:
        marked = replace(
            train_model,
            artefacts=_Marked(train_model.artefacts, mark),
            registry=_Marked(train_model.registry, mark),
            popular=_Marked(train_model.popular, mark),
        )
        warm()
        idle_bytes = resident_from_now_on()
        start = time.perf_counter()
        record = (await marked(by="bench", is_gated=False)).record
    return Training(
        settings.memory_limit_mb,
        phases,
        record.user_count,
        record.post_count,
        int(record.metrics["pairs"]),
        record.size_bytes,
        max(0, peak_bytes() - idle_bytes),
    )


class _Marked:
    """A port whose calls are phases."""

    def __init__(self, port: Any, mark: Any) -> None:
        self._port = port
        self._mark = mark

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> Any:
            result = await getattr(self._port, name)(*arguments)
            if name in _PHASES:
                self._mark(_PHASES[name])
            return result

        return call


def _document(rates: TrainRates) -> dict[str, Any]:
    return {
        "rows": rates.rows,
        "copy_seconds": rates.copy_seconds,
        **asdict(rates.training),
        "registered_seconds": rates.training.registered_seconds,
        "ratio": rates.ratio,
        "bytes_per_interaction": rates.bytes_per_interaction,
    }


def _table(rates: TrainRates) -> Table:
    training = rates.training
    limit = f"MEMORY_LIMIT_MB={training.memory_limit_mb}" if training.memory_limit_mb else "no memory limit"
    table = Table(
        "phase",
        "seconds",
        "of COPY",
        title=f"{rates.rows:,} rows; {limit}",
        caption=(
            f"{rates.ratio:.2f} COPYs until registered (at most {TARGET_RATIO} is the aim); "
            f"{training.peak_bytes / _MB:,.0f} MB at the peak, {rates.bytes_per_interaction:.0f} bytes an interaction "
            f"(at most {TARGET_BYTES:.0f})"
        ),
    )
    table.add_row("bare COPY", f"{rates.copy_seconds:.2f}", "1.00", end_section=True)
    for name, seconds in training.phases.items():
        table.add_row(name, f"{seconds:.2f}", f"{seconds / rates.copy_seconds:.2f}", end_section=name == REGISTERED)
    table.add_row("until registered", f"{training.registered_seconds:.2f}", f"{rates.ratio:.2f}")
    return table


if __name__ == "__main__":
    app()
