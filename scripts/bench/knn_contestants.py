"""Who takes part in `threads-ml bench knn`: each finds the neighbours of the same users in a process of its own."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix

from core.recommender.clustered_interactions import clustered_interactions
from scripts.bench.resident_memory import peak_bytes, resident_from_now_on

OURS = "ours"

_ARRAYS = ("starts", "columns", "values", "shape")
_WARM_SIZE = (500, 200, 5_000)
_MOST_INT32 = 2**31 - 1
_QUERIES_AT_ONCE = 50_000


class Found(NamedTuple):
    """The neighbours of q users, the most similar first, without the user; -1 and 0 where there are fewer than k.

    users: (q,), int64; rows: (q, k), int32; similarities: (q, k), float32.
    """

    users: NDArray[np.int64]
    rows: NDArray[np.int32]
    similarities: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Task:
    """What all are asked: the k nearest of all users in the matrix that lies in the folder, or of a sample of them."""

    folder: Path
    k: int
    threads: int
    sample: int
    seed: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seconds for all users, and the peak of resident memory, in bytes.

    cpu_seconds: of all threads together; where they are much fewer than seconds times threads, the run was disturbed.
    peak_bytes: above the idle process, that is with everything imported, warm and the input loaded; whole_peak_bytes:
    with all that.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    whole_peak_bytes: int


@dataclass(frozen=True, slots=True)
class Contestant:
    """Three steps, of which the second is measured.

    prepared(weights, users): the input as it likes it best; find(prepared, k, threads): whatever it answers;
    read(answer, users, k): the same as others have it. samples: whether it is asked for some users only.
    """

    package: str
    prepared: Callable[[csr_array, NDArray[np.int64]], Any]
    find: Callable[[Any, int, int], Any]
    read: Callable[[Any, NDArray[np.int64], int], Found]
    samples: bool = False


def save_matrix(weights: csr_array, folder: Path) -> None:
    """Put the matrix where each process finds it."""
    for name, array in zip(_ARRAYS, (weights.indptr, weights.indices, weights.data, weights.shape), strict=True):
        np.save(folder / f"{name}.npy", array)


def plainly_normalised(weights: csr_array) -> csr_array:
    """The same CSR matrix with rows of length 1, in its own precision; empty rows stay so."""
    lengths = np.sqrt(weights.multiply(weights).sum(axis=1))
    values = weights.data / np.repeat(lengths, np.diff(weights.indptr))
    return csr_array((values, weights.indices, weights.indptr), shape=weights.shape)


def compile_seconds(folder: Path) -> float:
    """Compile all our kernels; they are kept in the folder for the processes that follow."""
    from core.recommender import compiled, neighbours  # noqa: F401, PLC0415 - only our processes load numba

    compiled.keep_machine_code_in(folder)
    started = time.perf_counter()
    compiled.warm()
    return time.perf_counter() - started


def run(name: str, task: Task, keep: bool) -> Run:
    """Measure one contestant in this process, which has done nothing yet; `keep`: put its answer into the folder."""
    contestant = CONTESTANTS[name]
    if name == OURS:
        compile_seconds(task.folder)
    _warm(contestant, task)
    weights = _load_matrix(task.folder)
    user_count = weights.shape[0]
    users = drawn_users(task.sample, user_count, task.seed) if contestant.samples else np.arange(user_count)
    prepared = contestant.prepared(weights, users)
    del weights
    idle_bytes = resident_from_now_on()
    started, cpu_started = time.perf_counter(), time.process_time()
    answer = contestant.find(prepared, task.k, task.threads)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    whole_peak_bytes = peak_bytes()
    if keep:
        _save_found(contestant.read(answer, users, task.k), task.folder / name)
    share = len(users) / user_count
    return Run(seconds / share, cpu_seconds / share, max(0, whole_peak_bytes - idle_bytes), whole_peak_bytes)


def load_found(name: str, folder: Path) -> Found:
    """What the contestant has found."""
    return Found(*(np.load(folder / name / f"{field}.npy") for field in Found._fields))


def drawn_users(sample: int, user_count: int, seed: int) -> NDArray[np.int64]:
    """(sample,): users drawn without repetition, in order; no more than there are."""
    return np.sort(np.random.default_rng(seed).choice(user_count, size=min(sample, user_count), replace=False))


def _load_matrix(folder: Path) -> csr_array:
    starts, columns, values, shape = (np.load(folder / f"{name}.npy") for name in _ARRAYS)
    return csr_array((values, columns, starts), shape=tuple(shape))


def _save_found(found: Found, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for field, array in found._asdict().items():
        np.save(folder / f"{field}.npy", array)


def _warm(contestant: Contestant, task: Task) -> None:
    """Imports, pools of threads and machine code: all that happens once in a process."""
    weights = clustered_interactions(*_WARM_SIZE, seed=0)
    contestant.find(contestant.prepared(weights, np.arange(weights.shape[0])), task.k, task.threads)


def _prepare_ours(weights: csr_array, _users: NDArray[np.int64]) -> csr_array:
    return weights


def _find_ours(weights: csr_array, k: int, threads: int) -> Any:
    from core.recommender.inverted_index import inverted_index  # noqa: PLC0415 - only our processes load numba
    from core.recommender.neighbours import top_neighbours  # noqa: PLC0415 - the same
    from core.recommender.normalisation import l2_normalised  # noqa: PLC0415 - the same

    rows = l2_normalised(weights)
    return top_neighbours(rows, inverted_index(rows), k, np.arange(rows.shape[0]), threads)


def _read_ours(answer: Any, users: NDArray[np.int64], _k: int) -> Found:
    return Found(users, answer.rows, answer.similarities)


def _prepare_sparse_dot_topn(weights: csr_array, _users: NDArray[np.int64]) -> csr_matrix:
    """It knows products only: rows of length 1 are a present. The matrix has 32-bit indices if they suffice."""
    return csr_matrix(plainly_normalised(weights))


def _find_sparse_dot_topn(rows: csr_matrix, k: int, threads: int) -> csr_matrix:
    from sparse_dot_topn import sp_matmul_topn  # noqa: PLC0415 - may not be installed

    most = min(k + 1, rows.shape[0])
    index_type = np.int32 if max(rows.nnz, most * rows.shape[0]) <= _MOST_INT32 else np.int64
    return sp_matmul_topn(rows, rows.T.tocsr(), top_n=most, n_threads=threads, sort=True, idx_dtype=index_type)


def _prepare_implicit(weights: csr_array, _users: NDArray[np.int64]) -> csr_matrix:
    """Its items are our users. It computes with float64, whatever it is given."""
    return csr_matrix(weights).T.tocsr()


def _find_implicit(transpose: csr_matrix, k: int, threads: int) -> csr_matrix:
    from implicit.nearest_neighbours import CosineRecommender  # noqa: PLC0415 - may not be installed

    recommender = CosineRecommender(K=min(k + 1, transpose.shape[1]), num_threads=threads)
    with warnings.catch_warnings():
        # What it warns of is a conversion of its own.
        warnings.simplefilter("ignore")
        recommender.fit(transpose, show_progress=False)
    return recommender.similarity


def _prepare_sklearn(weights: csr_array, users: NDArray[np.int64]) -> tuple[Any, csr_matrix]:
    """Fitting it is a present: all it does is to keep the matrix."""
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415 - others do not need it

    rows = csr_matrix(weights)
    return NearestNeighbors(metric="cosine", algorithm="brute").fit(rows), rows[users]


def _find_sklearn(prepared: tuple[Any, csr_matrix], k: int, threads: int) -> csr_matrix:
    """(queries, users), the nearest only."""
    nearest, queries = prepared
    user_count = nearest.n_samples_fit_
    most = min(k + 1, user_count)
    nearest.set_params(n_jobs=threads)
    distances, rows = nearest.kneighbors(queries, n_neighbors=most)
    starts = np.arange(queries.shape[0] + 1) * most
    return csr_matrix((1 - distances.ravel(), rows.ravel(), starts), shape=(queries.shape[0], user_count))


def _read_matrix(answer: csr_matrix, users: NDArray[np.int64], k: int) -> Found:
    """answer: (queries, users), the similarities found, the user's own among them, in any order."""
    width = min(k, answer.shape[1])
    rows = np.full((len(users), width), -1, dtype=np.int32)
    similarities = np.zeros((len(users), width), dtype=np.float32)
    for first in range(0, len(users), _QUERIES_AT_ONCE):
        some = answer[first : first + _QUERIES_AT_ONCE].tocoo()
        others = (some.col != users[first + some.row]) & (some.data > 0)
        queries, found_rows, found = some.row[others], some.col[others], some.data[others]
        order = np.lexsort((found_rows, -found, queries))
        queries, found_rows, found = queries[order], found_rows[order], found[order]
        ranks = np.arange(len(queries)) - np.searchsorted(queries, queries)
        kept = ranks < width
        places = first + queries[kept], ranks[kept]
        rows[places], similarities[places] = found_rows[kept], found[kept]
    return Found(users, rows, similarities)


CONTESTANTS = {
    OURS: Contestant("numba", _prepare_ours, _find_ours, _read_ours),
    "sparse_dot_topn": Contestant("sparse_dot_topn", _prepare_sparse_dot_topn, _find_sparse_dot_topn, _read_matrix),
    "implicit": Contestant("implicit", _prepare_implicit, _find_implicit, _read_matrix),
    "sklearn": Contestant("sklearn", _prepare_sklearn, _find_sklearn, _read_matrix, samples=True),
}
