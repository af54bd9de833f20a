"""`threads-ml bench generate`: one user's feed from a live history, against the plain formula and the bulk path."""

import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table
from scipy.sparse import csr_array

from core.domain.history import History
from core.domain.interaction import Interaction, InteractionType, InteractionWeights
from core.infrastructure.ranking_model import RankingModel
from core.recommender.algorithm import InteractionMatrices
from core.recommender.clustered_interactions import clustered_interactions
from core.recommender.compiled import warm
from core.recommender.normalisation import l2_normalised
from core.recommender.user_knn import UserKNN
from scripts.command import command_app, console

TARGET_MILLISECONDS = 2.0
DEPTH, NEIGHBOURS = 150, 50
FEWER = 10
"""A model with so many times fewer users shows what of a call's memory grows with them."""
PLAIN_REQUESTS = 50
TRAINED_AT = datetime(2026, 1, 31, tzinfo=UTC)
_KINDS = tuple(InteractionType)
_USER, _POST = 1, 2

Feed = TypeVar("Feed")

app = command_app()


@dataclass(frozen=True, slots=True)
class GenerateFigures:
    """Milliseconds for one user on one core; bytes that one call allocates beside the thread's reused buffers.

    plain_median: the same neighbours and votes by scipy, without kernels; allocated_with_fewer_users: in a model with a
    tenth of the users and as many posts.
    """

    users: int
    posts: int
    pairs: int
    history: int
    requests: int
    median_milliseconds: float
    slowest_hundredth_milliseconds: float
    plain_median_milliseconds: float
    ratio_to_plain: float
    same_bits_as_bulk: bool
    allocated_bytes: int
    allocated_bytes_with_fewer_users: int


@app.command()
def generate(
    users: Annotated[int, typer.Option(min=20, max=10_000_000)] = 100_000,
    posts: Annotated[int, typer.Option(min=2, max=10_000_000)] = 50_000,
    interactions: Annotated[int, typer.Option(min=1, max=1_000_000_000)] = 5_000_000,
    history: Annotated[int, typer.Option(min=1, max=10_000, help="Posts in each live history.")] = 50,
    requests: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many users to generate for.")] = 1_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Time the generation of single feeds with a model of many users."""
    if history > posts:
        raise typer.BadParameter(f"a history of {history} posts needs at least as many posts, not {posts}")
    with on_one_core():
        figures = measure(users, posts, interactions, history, requests, seed)
    print(msgspec.json.encode(asdict(figures)).decode()) if as_json else console.print(_table(figures))


def measure(users: int, posts: int, interactions: int, history: int, requests: int, seed: int) -> GenerateFigures:
    """All figures in one sitting."""
    matrix = clustered_interactions(users, posts, interactions, seed)
    model = model_of(matrix)
    warm()
    histories = histories_of(matrix, history, requests, seed)
    milliseconds, feeds = _timed(lambda one: model.rank(one, DEPTH), histories)
    plain_milliseconds, _ = _timed(_plain_formula(matrix), histories[:PLAIN_REQUESTS])
    fewer = model_of(clustered_interactions(max(2, users // FEWER), posts, max(1, interactions // FEWER), seed))
    median, plain = float(np.median(milliseconds)), float(np.median(plain_milliseconds))
    return GenerateFigures(
        users=users,
        posts=posts,
        pairs=matrix.nnz,
        history=history,
        requests=requests,
        median_milliseconds=median,
        slowest_hundredth_milliseconds=float(np.quantile(milliseconds, 0.99)),
        plain_median_milliseconds=plain,
        ratio_to_plain=plain / median,
        same_bits_as_bulk=feeds == model.rank_many(histories, DEPTH, threads=2),
        allocated_bytes=_allocated(model, histories[0]),
        allocated_bytes_with_fewer_users=_allocated(fewer, histories[0]),
    )


@contextmanager
def on_one_core() -> Iterator[None]:
    """Run the block on one core, where the system lets a process choose."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def model_of(matrix: csr_array) -> RankingModel:
    """A user-kNN model of made-up ids that has learned the matrix."""
    users, posts = (_keys(count, space) for space, count in enumerate(matrix.shape, start=1))
    return RankingModel(
        UserKNN(NEIGHBOURS).fit(InteractionMatrices.timeless(matrix)), users, posts, InteractionWeights()
    )


def _keys(count: int, space: int) -> NDArray[np.bytes_]:
    """(count,) S16: made-up ids in the order of rows."""
    return np.array([_id(space, row).bytes for row in range(count)], dtype="S16")


def keys_of_rows(users: NDArray[np.int64], posts: NDArray[np.int64]) -> tuple[NDArray[np.bytes_], NDArray[np.bytes_]]:
    """(n,) and (m,), S16: the made-up ids of these users and posts."""
    one, other = (_keys(int(rows.max(initial=-1)) + 1, space)[rows] for rows, space in ((users, _USER), (posts, _POST)))
    return one, other


def _id(space: int, row: int) -> UUID:
    return UUID(int=(space << 120) | (row << 8) | 1)


def _row(made_up: UUID) -> int:
    return (made_up.int & ((1 << 120) - 1)) >> 8


def histories_of(matrix: csr_array, size: int, count: int, seed: int) -> list[History]:
    """Users of the model with histories of that size: what they did in the model, filled up with what others did."""
    random = np.random.default_rng(seed)
    rows = random.choice(matrix.shape[0], size=count, replace=count > matrix.shape[0])
    return [_history(int(row), _post_rows(matrix, row, size, random), random) for row in rows]


def _post_rows(matrix: csr_array, row: int, size: int, random: np.random.Generator) -> list[int]:
    own = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
    popular = matrix.indices[random.integers(matrix.nnz, size=4 * size)]
    candidates = np.concatenate((random.permutation(own), popular, random.permutation(matrix.shape[1])))
    return list(dict.fromkeys(candidates.tolist()))[:size]


def _history(row: int, post_rows: list[int], random: np.random.Generator) -> History:
    kinds = random.integers(len(_KINDS), size=len(post_rows))
    acts = tuple(
        Interaction(_id(_USER, row), _id(_POST, post_row), _KINDS[kind], TRAINED_AT - timedelta(minutes=minute))
        for minute, (post_row, kind) in enumerate(zip(post_rows, kinds, strict=True))
    )
    return History(_id(_USER, row), acts[::-1], generation=1, data_now=TRAINED_AT)


def _plain_formula(matrix: csr_array) -> Callable[[History], object]:
    """User-kNN as it is defined: all cosines, the best of them, their votes."""
    normalised, weights = l2_normalised(matrix), InteractionWeights()

    def rank(history: History) -> object:
        seen = [_row(act.post_id) for act in history.interactions]
        query = np.zeros(matrix.shape[1], dtype=np.float32)
        query[seen] = np.log2([1 + weights.of(act.type) for act in history.interactions])
        cosines = normalised @ (query / np.linalg.norm(query))
        cosines[_row(history.user_id)] = 0
        nearest = np.argsort(-cosines, kind="stable")[:NEIGHBOURS]
        votes = cosines[nearest] @ matrix[nearest]
        votes[seen] = 0
        return np.argsort(-votes, kind="stable")[:DEPTH]

    return rank


def _timed(rank: Callable[[History], Feed], histories: list[History]) -> tuple[NDArray[np.float64], list[Feed]]:
    """Milliseconds of each call, and what it gave; the first call is made once before."""
    rank(histories[0])
    milliseconds, feeds = np.empty(len(histories)), []
    for place, history in enumerate(histories):
        start = time.perf_counter()
        feeds.append(rank(history))
        milliseconds[place] = (time.perf_counter() - start) * 1_000
    return milliseconds, feeds


def _allocated(model: RankingModel, history: History) -> int:
    """Bytes at the peak of one call that is not the thread's first."""
    model.rank(history, DEPTH)
    tracemalloc.start()
    try:
        model.rank(history, DEPTH)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _table(figures: GenerateFigures) -> Table:
    table = Table(
        title=f"{figures.users:,} users, {figures.posts:,} posts, histories of {figures.history}; "
        f"at most {TARGET_MILLISECONDS} ms is the aim"
    )
    for heading in ("figure", "value"):
        table.add_column(heading)
    for name, value in asdict(figures).items():
        table.add_row(name.replace("_", " "), _said(value))
    return table


def _said(value: float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"


if __name__ == "__main__":
    app()
