"""`threads-ml bench growth`: time per user and quality of bounded neighbours against exact ones, as users grow."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from copy import copy
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table
from scipy.sparse import csr_array

from core.recommender.algorithm import InteractionMatrices, RankedPosts
from core.recommender.clustered_interactions import clustered_interactions
from core.recommender.compiled import warm
from core.recommender.ranking_metrics import ndcg_at_k
from core.recommender.user_knn import BOUNDED_ADDITIONS, MOST_ADDITIONS, UserKNN
from scripts.bench.growth_plot import growth_plot
from scripts.bench.resident_memory import peak_bytes
from scripts.command import command_app, console

TARGET_GROWTH, TARGET_LOSS = 1.25, 0.01
NEIGHBOURS, POSTS, JUDGED_POSTS = 50, 50, 10
LEAST_HISTORY = 5
"""Users with fewer posts get no collaborative feed by default, so they are neither timed nor judged."""
HELD_OUT_SHARE = 0.2
LEAST_USERS, MOST_USERS = 100, 10_000_000
ROUNDS = 9
_USERS_PER_POST, _INTERACTIONS_PER_USER = 2, 50
_MICROSECONDS, _GB = 1e6, 1e9

app = command_app()


@dataclass(frozen=True, slots=True)
class Mode:
    """What one way of finding neighbours costs and gives.

    microseconds_per_user: processor time, all threads together, which depends little on what else the machine does;
    elapsed_microseconds_per_user: by the clock, with all threads at work; ndcg: the mean nDCG@10 on the posts held out.
    """

    microseconds_per_user: float
    elapsed_microseconds_per_user: float
    ndcg: float


@dataclass(frozen=True, slots=True)
class SizeFigures:
    """Both modes on the same data, in a process of their own.

    loss: the share of the exact nDCG@10 that the bounded mode loses, negative where it gains; loss_error: the standard
    error of that share over users; overlap: the share of the exact ten posts that are among the bounded ten, in any
    order; peak_bytes: of resident memory, the making of the data included.
    """

    users: int
    posts: int
    pairs: int
    timed_users: int
    judged_users: int
    fit_seconds: float
    exact: Mode
    bounded: Mode
    loss: float
    loss_error: float
    overlap: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Growth:
    """The figures of each size, the first one being what the others are compared with."""

    additions: int
    threads: int
    seed: int
    sizes: list[SizeFigures]

    def growth(self, mode: str) -> list[float]:
        """The time per user at each size, as a multiple of that at the first."""
        times: list[float] = [getattr(figures, mode).microseconds_per_user for figures in self.sizes]
        return [time_per_user / times[0] for time_per_user in times]


@app.command()
def growth(
    sizes: Annotated[str, typer.Option(help="Numbers of users, with commas between.")] = "100000,300000,1000000",
    additions: Annotated[
        int, typer.Option(min=1, max=MOST_ADDITIONS, help="The bound: additions for one user.")
    ] = BOUNDED_ADDITIONS,
    sample: Annotated[int, typer.Option(min=2, max=MOST_USERS, help="Users timed, and as many judged.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Other data for another number.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    plot: Annotated[
        Path | None, typer.Option(dir_okay=False, writable=True, help="Draw the figures into this SVG file.")
    ] = None,
) -> None:
    """Compare bounded neighbours with exact ones, on made-up users of the numbers given, 50 interactions each."""
    if plot and not plot.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {plot.parent}", param_hint="--plot")
    grown = measure(numbers_of(sizes), additions, sample, seed)
    if plot:
        plot.write_text(growth_plot(_document(grown)))
    if as_json:
        print(msgspec.json.encode(_document(grown)).decode())
    else:
        console.print(_table(grown))


def numbers_of(sizes: str) -> list[int]:
    """Each once, in their order. Raises BadParameter."""
    try:
        numbers = list(dict.fromkeys(int(size) for size in sizes.split(",")))
    except ValueError as error:
        raise typer.BadParameter(f"{sizes!r} is not numbers with commas between", param_hint="--sizes") from error
    if not LEAST_USERS <= min(numbers) <= max(numbers) <= MOST_USERS:
        raise typer.BadParameter(f"{sizes}: each from {LEAST_USERS} to {MOST_USERS:,} users", param_hint="--sizes")
    return numbers


def measure(sizes: list[int], additions: int, sample: int, seed: int) -> Growth:
    """One size after the other, each in a new process, so that its memory is its own."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    figures = []
    for users in sizes:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            figures.append(process.submit(measure_size, users, additions, sample, seed, threads).result())
    return Growth(additions, threads, seed, figures)


def measure_size(users: int, additions: int, sample: int, seed: int, threads: int) -> SizeFigures:
    """Both modes on one matrix.

    Quality is leave-some-out: a fifth of each judged user's posts, drawn at random, is taken out of the data, and a
    list is the better the more of them it holds. That is enough to compare two modes of one algorithm on the same data:
    each user is their own control, and the error is that of paired differences. It says nothing about quality on real
    data: what is held out follows the same made-up tastes as what is learned, and time plays no part.
    """
    warm()
    random = np.random.default_rng(seed)
    matrix = clustered_interactions(users, users // _USERS_PER_POST, _INTERACTIONS_PER_USER * users, seed)
    judged = _sampled(random, matrix, sample)
    training, held_out = split(random, matrix, judged)
    del matrix
    timed = _sampled(random, training, sample)
    start = time.perf_counter()
    exact = UserKNN(k=NEIGHBOURS).fit(InteractionMatrices.timeless(training))
    fit_seconds = time.perf_counter() - start
    models = exact, _bounded(exact, additions)
    exact_times, bounded_times = _times(models, training, timed, threads)
    exact_posts, bounded_posts = (
        _recommended(model, training, judged, threads).rows[:, :JUDGED_POSTS] for model in models
    )
    exact_ndcg, bounded_ndcg = (ndcg_at_k(rows, held_out, JUDGED_POSTS) for rows in (exact_posts, bounded_posts))
    loss, loss_error = relative_loss(exact_ndcg, bounded_ndcg)
    return SizeFigures(
        users=users,
        posts=training.shape[1],
        pairs=training.nnz,
        timed_users=len(timed),
        judged_users=len(judged),
        fit_seconds=fit_seconds,
        exact=Mode(exact_times.processor, exact_times.elapsed, float(exact_ndcg.mean())),
        bounded=Mode(bounded_times.processor, bounded_times.elapsed, float(bounded_ndcg.mean())),
        loss=loss,
        loss_error=loss_error,
        overlap=overlap(exact_posts, bounded_posts),
        peak_bytes=peak_bytes(),
    )


def _bounded(exact: UserKNN, additions: int) -> UserKNN:
    """The same model in the bounded mode: both learn the same."""
    bounded = copy(exact)
    bounded.additions = additions
    return bounded


def _sampled(random: np.random.Generator, matrix: csr_array, sample: int) -> NDArray[np.int64]:
    """Rows of users with enough history, in the order of rows, as a bulk generation meets them."""
    eligible = np.flatnonzero(np.diff(matrix.indptr) >= LEAST_HISTORY)
    return np.sort(random.choice(eligible, min(sample, len(eligible)), replace=False))


def split(random: np.random.Generator, matrix: csr_array, judged: NDArray[np.int64]) -> tuple[csr_array, csr_array]:
    """The matrix without a fifth of the judged users' posts, at least one, and CSR (judged, posts) with 1 for these."""
    counts = np.diff(matrix.indptr)[judged]
    users = np.repeat(np.arange(len(judged)), counts)
    places = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    entries = (matrix.indptr[judged][users] + places)[np.lexsort((random.random(len(users)), users))]
    is_held_out = places < np.maximum(1, (HELD_OUT_SHARE * counts).astype(np.int64))[users]
    held_out = entries[is_held_out]
    ones, rows = np.ones(len(held_out), dtype=np.float32), users[is_held_out]
    relevant = csr_array((ones, (rows, matrix.indices[held_out])), shape=(len(judged), matrix.shape[1]))
    return _without(matrix, held_out), relevant


def _without(matrix: csr_array, entries: NDArray[np.int64]) -> csr_array:
    kept = np.ones(matrix.nnz, dtype=np.bool_)
    kept[entries] = False
    starts = np.concatenate(([0], np.cumsum(kept)))[matrix.indptr]
    return csr_array((matrix.data[kept], matrix.indices[kept], starts), shape=matrix.shape)


class _Times(NamedTuple):
    """Microseconds for a user."""

    processor: float
    elapsed: float


def _times(models: tuple[UserKNN, ...], training: csr_array, rows: NDArray[np.int64], threads: int) -> list[_Times]:
    """Each model's least times of some rounds in which they take turns."""
    queries = training[rows]
    taken = np.empty((ROUNDS, len(models), 2))
    for turns in taken:
        for model, times in zip(models, turns, strict=True):
            start = np.array((time.process_time(), time.perf_counter()))
            model.recommend(queries, rows, queries, POSTS, threads)
            times[:] = np.array((time.process_time(), time.perf_counter())) - start
    return [_Times(*least) for least in (_MICROSECONDS * taken.min(axis=0) / len(rows)).tolist()]


def _recommended(model: UserKNN, training: csr_array, rows: NDArray[np.int64], threads: int) -> RankedPosts:
    queries = training[rows]
    return model.recommend(queries, rows, queries, POSTS, threads)


def relative_loss(exact: NDArray[np.float64], bounded: NDArray[np.float64]) -> tuple[float, float]:
    """The share of the exact mean that the bounded mean loses, and its standard error.

    exact, bounded: shape (q,), the same users' values. The error is that of a ratio of two means over the same sample:
    Cochran, Sampling Techniques, 3rd edition 1977, chapter 6, for a large population.
    """
    ratio = bounded.mean() / exact.mean()
    residuals = bounded - ratio * exact
    return float(1 - ratio), float(residuals.std(ddof=1) / exact.mean() / np.sqrt(len(exact)))


def overlap(first: NDArray[np.int32], second: NDArray[np.int32]) -> float:
    """The share of the first lists' posts that the second lists hold too; shape (q, k) each, -1 for none."""
    both = (first[:, :, None] == second[:, None, :]).any(axis=2) & (first >= 0)
    return float(both.sum() / (first >= 0).sum())


def _document(grown: Growth) -> dict[str, Any]:
    growths = {f"{mode}_growth": grown.growth(mode) for mode in ("exact", "bounded")}
    return asdict(grown) | growths | {"target_growth": TARGET_GROWTH, "target_loss": TARGET_LOSS}


def _table(grown: Growth) -> Table:
    table = Table(
        *("users", "exact µs", "growth", "bounded µs", "growth", "loss %", "overlap %", "GB"),
        title=(
            f"at most {grown.additions:,} additions a user, {grown.threads} threads; the aim: bounded growth at most "
            f"{TARGET_GROWTH}, loss of nDCG@{JUDGED_POSTS} under {100 * TARGET_LOSS:.0f} %"
        ),
    )
    for figures, exact, bounded in zip(grown.sizes, grown.growth("exact"), grown.growth("bounded"), strict=True):
        table.add_row(
            f"{figures.users:,}",
            f"{figures.exact.microseconds_per_user:.1f}",
            f"{exact:.2f}",
            f"{figures.bounded.microseconds_per_user:.1f}",
            f"{bounded:.2f}",
            f"{100 * figures.loss:.2f} ± {100 * figures.loss_error:.2f}",
            f"{100 * figures.overlap:.0f}",
            f"{figures.peak_bytes / _GB:.1f}",
        )
    return table


if __name__ == "__main__":
    app()
