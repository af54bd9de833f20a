"""`threads-ml bench tail`: what votes of a live tail cost the kernels, and how long taking interactions in takes."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Annotated

import msgspec
import numpy as np
import typer
from rich.table import Table
from scipy.sparse import csr_array, vstack

from core.domain.interaction import InteractionType
from core.infrastructure.interaction_arrays import InteractionArrays
from core.infrastructure.model_tail import ModelTail
from core.infrastructure.postgres_moments import microseconds
from core.infrastructure.ranking_model import Query, RankingModel
from core.recommender.clustered_interactions import clustered_interactions
from core.recommender.compiled import warm
from scripts.bench.generate import DEPTH, TRAINED_AT, histories_of, keys_of_rows, model_of, on_one_core
from scripts.command import command_app, console

TARGET_RATIO = 0.8
CHUNK = 500
ON_NEW_POSTS, BY_NEW_USERS = 0.5, 0.05
"""Shares of a tail, as on a feed of short-lived posts."""
NEW_ONES_EACH = 50
"""Interactions that each new post or user has."""
ONE_SECOND = 100
"""Interactions that come in while a tail is held."""
ROUNDS = 5

app = command_app()


@dataclass(frozen=True, slots=True)
class TailFigures:
    """Milliseconds on one core. ratio: speed with the tail over speed without, asked in turns.

    take_in: of everything in the tail at once; take_in_more: of so many more as one second brings.
    """

    users: int
    posts: int
    pairs: int
    tail: int
    new_users: int
    new_posts: int
    single_milliseconds: float
    single_milliseconds_with_tail: float
    single_ratio: float
    chunk_milliseconds_each: float
    chunk_milliseconds_each_with_tail: float
    chunk_ratio: float
    take_in_milliseconds: float
    take_in_more_milliseconds: float


@app.command()
def tail(
    users: Annotated[int, typer.Option(min=20, max=10_000_000)] = 100_000,
    posts: Annotated[int, typer.Option(min=2, max=10_000_000)] = 50_000,
    interactions: Annotated[int, typer.Option(min=1, max=1_000_000_000)] = 5_000_000,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Interactions since, of those learned.")] = 0.05,
    history: Annotated[int, typer.Option(min=1, max=10_000, help="Posts in each live history.")] = 50,
    requests: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many users to ask for.")] = CHUNK,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Time neighbours and votes with and without the interactions since a model was trained."""
    if history > posts:
        raise typer.BadParameter(f"a history of {history} posts needs at least as many posts, not {posts}")
    with on_one_core():
        figures = measure(users, posts, interactions, share, history, requests, seed)
    print(msgspec.json.encode(asdict(figures)).decode()) if as_json else console.print(_table(figures))


def measure(
    users: int, posts: int, interactions: int, share: float, history: int, requests: int, seed: int
) -> TailFigures:
    """All figures in one sitting."""
    warm()
    matrix = clustered_interactions(users, posts, interactions, seed)
    model, came = model_of(matrix), _came(matrix, int(share * interactions) + ONE_SECOND, seed)
    held, nothing = ModelTail(model, TRAINED_AT, len(came.moments)), came.of(np.empty(0, dtype=np.int64))
    before, last = (
        np.arange(len(came.moments) - ONE_SECOND),
        np.arange(len(came.moments) - ONE_SECOND, len(came.moments)),
    )
    take_in_milliseconds, _ = _taken_in(held, came.of(before), nothing)
    take_in_more_milliseconds, tailed = _taken_in(held, came.of(last), nothing)
    histories = histories_of(matrix, history, requests, seed)
    asked = [(one, [one.query_of(each) for each in histories]) for one in (model, tailed)]
    singles = _side_by_side([_single(*one) for one in asked], requests)
    chunks = _side_by_side([_chunk(*one) for one in asked], requests)
    return TailFigures(
        users=users,
        posts=posts,
        pairs=matrix.nnz,
        tail=held.held,
        new_users=len(tailed.users) - users,
        new_posts=len(tailed.posts) - posts,
        single_milliseconds=singles[0],
        single_milliseconds_with_tail=singles[1],
        single_ratio=singles[0] / singles[1],
        chunk_milliseconds_each=chunks[0],
        chunk_milliseconds_each_with_tail=chunks[1],
        chunk_ratio=chunks[0] / chunks[1],
        take_in_milliseconds=take_in_milliseconds,
        take_in_more_milliseconds=take_in_more_milliseconds,
    )


def _came(matrix: csr_array, count: int, seed: int) -> InteractionArrays:
    """By users as busy as before, with posts as popular as before, and with and by new ones."""
    random = np.random.default_rng(seed)
    users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[random.integers(matrix.nnz, size=count)]
    posts = matrix.indices[random.integers(matrix.nnz, size=count)].astype(np.int64)
    for rows, known, part in ((users, matrix.shape[0], BY_NEW_USERS), (posts, matrix.shape[1], ON_NEW_POSTS)):
        is_new = random.random(count) < part
        new_ones = max(1, int(part * count) // NEW_ONES_EACH)
        rows[is_new] = known + random.integers(new_ones, size=int(is_new.sum()))
    moments = microseconds(TRAINED_AT) + np.sort(random.integers(12 * 3_600_000_000, size=count))
    user_keys, post_keys = keys_of_rows(users, posts)
    return InteractionArrays(user_keys, post_keys, random.integers(len(InteractionType), size=count), moments)


def _taken_in(held: ModelTail, acts: InteractionArrays, nothing: InteractionArrays) -> tuple[float, RankingModel]:
    """Milliseconds, and the model afterwards."""
    started = time.perf_counter()
    held.add(acts, nothing)
    tailed = held.tailed(TRAINED_AT + timedelta(hours=12))
    return (time.perf_counter() - started) * 1_000, tailed


def _single(model: RankingModel, queries: list[Query]) -> Callable[[], None]:
    def ask() -> None:
        for weights, own_row in queries:
            model.algorithm.recommend(weights, np.array([own_row]), weights, DEPTH)

    return ask


def _chunk(model: RankingModel, queries: list[Query]) -> Callable[[], None]:
    weights = csr_array(vstack([query.weights for query in queries], format="csr"))
    own_rows = np.array([query.own_row for query in queries])

    def ask() -> None:
        model.algorithm.recommend(weights, own_rows, weights, DEPTH)

    return ask


def _side_by_side(works: list[Callable[[], None]], requests: int) -> list[float]:
    """Milliseconds a request of each, the median of rounds in which they take turns, after one that does not count."""
    spent = np.empty((ROUNDS + 1, len(works)))
    for turn in range(ROUNDS + 1):
        for place, work in enumerate(works):
            started = time.perf_counter()
            work()
            spent[turn, place] = (time.perf_counter() - started) * 1_000
    medians: list[float] = (np.median(spent[1:], axis=0) / requests).tolist()
    return medians


def _table(figures: TailFigures) -> Table:
    table = Table(
        title=f"{figures.users:,} users, {figures.posts:,} posts, {figures.tail:,} interactions since; "
        f"at least {TARGET_RATIO} of the speed is the aim"
    )
    for heading in ("figure", "value"):
        table.add_column(heading)
    for name, value in asdict(figures).items():
        table.add_row(name.replace("_", " "), f"{value:.3f}" if isinstance(value, float) else f"{value:,}")
    return table


if __name__ == "__main__":
    app()
