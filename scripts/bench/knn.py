"""`threads-ml bench knn`: the nearest users of all users, ours against sparse-dot-topn, implicit and scikit-learn."""

import os
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_array

from core.recommender.clustered_interactions import clustered_interactions
from scripts.bench.knn_contestants import (
    CONTESTANTS,
    OURS,
    Found,
    Run,
    Task,
    compile_seconds,
    drawn_users,
    load_found,
    plainly_normalised,
    run,
    save_matrix,
)
from scripts.command import command_app, console

TARGET_RATIOS = {"sparse_dot_topn": 2.5, "implicit": 3.0}
"""Both at no less memory than ours."""

TOLERANCE = 1e-5

PLAIN = "scipy"
"""The plain product in float64, for a sample of users: too slow to take part, sure to be right."""

_PLAIN_SAMPLE = 256
_COMPARED_AT_ONCE = 50_000
_PACKAGES = ("numpy", "scipy", "numba", "sparse-dot-topn", "implicit", "scikit-learn")
_MB = 1_000_000
_CPU_INFO = Path("/proc/cpuinfo")

Result = TypeVar("Result")

app = command_app()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured: the size of the data, and how often each looks for the k nearest in it."""

    users: int
    posts: int
    interactions: int
    k: int
    seed: int
    threads: int
    repeats: int
    sklearn_sample: int


@dataclass(frozen=True, slots=True)
class Data:
    """What the data are like. multiplications: of the plain product, the sum of the squared lengths of posts' lists."""

    pairs: int
    multiplications: int
    longest_list: int
    longest_history: int


@dataclass(frozen=True, slots=True)
class Difference:
    """How our neighbours differ from those of another, for the same users."""

    users: int
    max_difference: float
    same_rows: bool

    @property
    def exact(self) -> bool:
        """Whether they are the same but for ties."""
        return self.same_rows and self.max_difference <= TOLERANCE


@dataclass(frozen=True, slots=True)
class KnnRates:
    """All runs of all who took part, why others did not, and what the others say about our neighbours."""

    plan: Plan
    data: Data
    compile_seconds: float
    runs: dict[str, list[Run]]
    left_out: dict[str, str]
    differences: dict[str, Difference]

    def seconds(self, name: str) -> float:
        """The least of all runs: on a shared machine noise only adds."""
        return min(run.seconds for run in self.runs[name])

    def cpu_seconds(self, name: str) -> float:
        """The least of all runs, of all threads together: what others do on the machine lengthens it less."""
        return min(run.cpu_seconds for run in self.runs[name])

    def spread(self, name: str) -> float:
        """The slowest run's seconds over the fastest's."""
        return max(run.seconds for run in self.runs[name]) / self.seconds(name)

    def peak_bytes(self, name: str) -> int:
        """The highest of all runs, above the idle process with the input loaded."""
        return max(run.peak_bytes for run in self.runs[name])

    def whole_peak_bytes(self, name: str) -> int:
        """The highest of all runs, with all that the process holds."""
        return max(run.whole_peak_bytes for run in self.runs[name])

    @property
    def others(self) -> list[str]:
        """Who took part besides us."""
        return [name for name in self.runs if name != OURS]

    @property
    def ratios(self) -> dict[str, float]:
        """The others' seconds over ours, for the same users."""
        return {name: self.seconds(name) / self.seconds(OURS) for name in self.others}

    @property
    def exact(self) -> bool:
        """Whether our neighbours are those of all others, and of the plain product."""
        return all(difference.exact for difference in self.differences.values())


@app.command()
def knn(
    *,
    users: Annotated[int, typer.Option(min=2, max=10_000_000, help="Rows of the matrix.")] = 100_000,
    posts: Annotated[int, typer.Option(min=2, max=10_000_000, help="Columns of the matrix.")] = 50_000,
    interactions: Annotated[
        int, typer.Option(min=1, max=1_000_000_000, help="How many to draw; pairs repeat.")
    ] = 5_000_000,
    k: Annotated[int, typer.Option(min=1, max=10_000_000, help="Neighbours of each user.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Other data for another number.")] = 0,
    threads: Annotated[
        int | None, typer.Option(min=1, max=1_024, help="Threads of each; by default the cores of this process.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, max=100, help="Rounds in which each has one run.")] = 3,
    sklearn_sample: Annotated[
        int, typer.Option(min=0, max=10_000_000, help="Users whom scikit-learn is asked for; 0: it is left out.")
    ] = 2_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Compare our exact neighbours with those of other libraries, on made-up data with skew and communities."""
    plan = Plan(users, posts, interactions, k, seed, threads or _cores(), repeats, sklearn_sample)
    with Console(stderr=True).status("making data") as status:
        rates = measure(plan, status.update)
    if as_json:
        print(msgspec.json.encode(_document(rates)).decode())
    else:
        console.print(_table(rates))


def _ignore(_step: str) -> None:
    """Nobody watches."""


def measure(plan: Plan, on_step: Callable[[str], None] = _ignore) -> KnnRates:
    """All figures in one sitting, in rounds, so that whatever else the machine does hits all alike."""
    weights = clustered_interactions(plan.users, plan.posts, plan.interactions, plan.seed)
    with TemporaryDirectory(prefix="threads-ml-bench-") as name:
        task = Task(Path(name), plan.k, plan.threads, plan.sklearn_sample, plan.seed)
        save_matrix(weights, task.folder)
        on_step("compiling")
        seconds_to_compile = _in_new_process(compile_seconds, task.folder)
        runs, left_out = _rounds(task, plan.repeats, on_step)
        on_step("comparing")
        ours = load_found(OURS, task.folder)
        answers = {other: load_found(other, task.folder) for other in runs if other != OURS}
    answers[PLAIN] = plain_neighbours(weights, drawn_users(_PLAIN_SAMPLE, plan.users, plan.seed), plan.k)
    differences = {name: difference(ours, answer, plan.users) for name, answer in answers.items()}
    return KnnRates(plan, _data(weights), seconds_to_compile, runs, left_out, differences)


def _rounds(task: Task, repeats: int, on_step: Callable[[str], None]) -> tuple[dict[str, list[Run]], dict[str, str]]:
    """The runs of all who can, and why the others cannot."""
    left_out = _absent(task)
    runs = {name: list[Run]() for name in CONTESTANTS if name not in left_out}
    for turn in range(repeats):
        for name in list(runs):
            on_step(f"round {turn + 1} of {repeats}: {name}")
            try:
                runs[name].append(_in_new_process(run, name, task, turn == 0))
            except Exception as error:  # whatever another library does, too little memory included
                if name == OURS:
                    raise
                left_out[name] = f"failed: {error!r}"
                del runs[name]
    return runs, left_out


def _absent(task: Task) -> dict[str, str]:
    absent = {
        name: "not installed" for name, contestant in CONTESTANTS.items() if find_spec(contestant.package) is None
    }
    return absent if task.sample else {"sklearn": "no sample asked for"} | absent


def _in_new_process(work: Callable[..., Result], *arguments: Any) -> Result:
    """Run it in a process that has done nothing yet."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def plain_neighbours(weights: csr_array, users: NDArray[np.int64], k: int) -> Found:
    """The answer by the formula: all products in float64, then the highest. users: (q,)."""
    rows = plainly_normalised(weights.astype(np.float64))
    lists = rows.T.tocsr()
    width = min(k, weights.shape[0])
    found = Found(users, np.full((len(users), width), -1, np.int32), np.zeros((len(users), width), np.float32))
    for place, user in enumerate(users):
        products = rows[[user]] @ lists
        others = np.flatnonzero((products.indices != user) & (products.data > 0))
        nearest = others[np.argsort(-products.data[others])[:width]]
        found.rows[place, : len(nearest)] = products.indices[nearest]
        found.similarities[place, : len(nearest)] = products.data[nearest]
    return found


def difference(ours: Found, theirs: Found, user_count: int) -> Difference:
    """Compare our neighbours of all users with those that another has found for some."""
    parts = [_difference(_of(ours, portion.users), portion, user_count) for portion in _portions(theirs)]
    return Difference(
        len(theirs.users), max(part.max_difference for part in parts), all(part.same_rows for part in parts)
    )


def _of(found: Found, users: NDArray[np.int64]) -> Found:
    return Found(users, found.rows[users], found.similarities[users])


def _portions(found: Found) -> Iterator[Found]:
    for first in range(0, len(found.users), _COMPARED_AT_ONCE):
        some = slice(first, first + _COMPARED_AT_ONCE)
        yield Found(found.users[some], found.rows[some], found.similarities[some])


def _difference(ours: Found, theirs: Found, user_count: int) -> Difference:
    max_difference = float(np.abs(ours.similarities - theirs.similarities).max())
    return Difference(len(ours.users), max_difference, _same_rows(ours, theirs, user_count))


def _same_rows(ours: Found, theirs: Found, user_count: int) -> bool:
    """Whether each of our rows is another user, is there once, and is theirs as well or as good as their last one."""
    keys, similarities = _keyed(ours, user_count)
    their_keys, their_similarities = _keyed(theirs, user_count)
    queries = keys // user_count
    places = np.searchsorted(their_keys, keys)
    expected = np.where(
        np.append(their_keys, -1)[places] == keys,
        np.append(their_similarities, 0)[places],
        theirs.similarities[queries, -1],
    )
    return bool(
        (np.diff(keys) > 0).all()
        and (keys % user_count != ours.users[queries]).all()
        and (np.abs(similarities - expected) <= TOLERANCE).all()
    )


def _keyed(found: Found, user_count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """One number for each query and row, rising, and the similarities in that order."""
    queries, places = np.nonzero(found.rows >= 0)
    keys = queries * user_count + found.rows[queries, places]
    order = np.argsort(keys)
    return keys[order], found.similarities[queries, places][order]


def _data(weights: csr_array) -> Data:
    lists = np.bincount(weights.indices, minlength=weights.shape[1])
    return Data(weights.nnz, int((lists**2).sum()), int(lists.max()), int(np.diff(weights.indptr).max()))


def _cores() -> int:
    """The cores that this process may use: macOS does not say, and tells those of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _document(rates: KnnRates) -> dict[str, Any]:
    def each(figure: Callable[[str], Any]) -> dict[str, Any]:
        return {name: figure(name) for name in rates.runs}

    return (
        asdict(rates.plan)
        | asdict(rates.data)
        | {
            "processor": _processor(),
            "versions": {name: _version(name) for name in _PACKAGES},
            "seconds": each(rates.seconds),
            "seconds_are": "the least of all runs",
            "spread": each(rates.spread),
            "cpu_seconds": each(rates.cpu_seconds),
            "cpu_ratios": {name: rates.cpu_seconds(name) / rates.cpu_seconds(OURS) for name in rates.others},
            "users_per_second": each(lambda name: rates.plan.users / rates.seconds(name)),
            "peak_mb": each(lambda name: rates.peak_bytes(name) / _MB),
            "whole_peak_mb": each(lambda name: rates.whole_peak_bytes(name) / _MB),
            "ratios": rates.ratios,
            "target_ratios": TARGET_RATIOS,
            "exact": rates.exact,
            "max_difference": max(found.max_difference for found in rates.differences.values()),
            "differences": {name: asdict(found) for name, found in rates.differences.items()},
            "compile_seconds": rates.compile_seconds,
            "all_seconds": each(lambda name: [run.seconds for run in rates.runs[name]]),
            "left_out": rates.left_out,
        }
    )


def _table(rates: KnnRates) -> Table:
    plan, data = rates.plan, rates.data
    table = Table(
        "who",
        "seconds",
        "slowest",
        "CPU s",
        "users/s",
        "ratio",
        "MB",
        "all MB",
        title=(
            f"{plan.users:,} users, {plan.posts:,} posts, {plan.interactions:,} interactions ({data.pairs:,} pairs), "
            f"k = {plan.k}, threads: {plan.threads}, seed: {plan.seed}"
        ),
        caption="\n".join(_notes(rates)),
        caption_justify="left",
    )
    for name in rates.runs:
        table.add_row(*_row(rates, name))
    return table


def _row(rates: KnnRates, name: str) -> tuple[str, ...]:
    seconds = rates.seconds(name)
    return (
        name,
        f"{seconds:.2f}",
        f"{seconds * rates.spread(name):.2f}",
        f"{rates.cpu_seconds(name):.2f}",
        f"{rates.plan.users / seconds:,.0f}",
        f"{seconds / rates.seconds(OURS):.2f}",
        f"{rates.peak_bytes(name) / _MB:,.0f}",
        f"{rates.whole_peak_bytes(name) / _MB:,.0f}",
    )


def _notes(rates: KnnRates) -> Iterator[str]:
    plan, data = rates.plan, rates.data
    aims = " and ".join(f"{name} at least {ratio:g} times our seconds" for name, ratio in TARGET_RATIOS.items())
    yield f"the aim: {aims}, neither with less memory"
    yield f"seconds: the fastest of {plan.repeats} rounds, compiling ours ({rates.compile_seconds:.1f} s) apart"
    if "sklearn" in rates.runs:
        yield f"sklearn's are reckoned from {min(plan.sklearn_sample, plan.users):,} users"
    yield from (f"left out: {name} ({reason})" for name, reason in rates.left_out.items())
    yield "MB: the peak above the idle process with the input loaded; CPU s: the least, of all threads together"
    verdict = "exact" if rates.exact else "NOT exact"
    largest = ", ".join(f"{name} {found.max_difference:.1e}" for name, found in rates.differences.items())
    yield f"our neighbours are {verdict}: the largest difference from {largest}"
    yield (
        f"multiplications: {data.multiplications:,}; longest list of a post: {data.longest_list:,}; longest history: "
        f"{data.longest_history:,}"
    )
    yield f"{_processor()}; " + ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)


if __name__ == "__main__":
    app()
