"""`threads-ml evaluate` from files: learn from one, judge the lists by the other; no database is touched."""

import csv
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from core.domain.errors import InvalidInput
from core.infrastructure.interaction_split_file import InteractionSplit, read_split
from core.recommender.algorithm import Algorithm, RankedPosts
from core.recommender.bootstrap import CONFIDENCE, RESAMPLES, Difference, Estimate
from core.recommender.full_ranking import fully_ranked
from core.recommender.holdout import Holdout, held_out
from core.recommender.judgement import Judgement, Summary, judged, summarised
from core.recommender.parameters import Value, parameters_of
from core.recommender.registry import ALGORITHMS, algorithm_named

BASELINE = "popular"
MOST_AT = 1_000


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What is to be evaluated. algorithms: by name, each not learned yet and with the parameters that are given.

    ks: rising; trials: of tuning for each algorithm that has something to tune, 0 for none.
    """

    training: Path
    test: Path
    algorithms: Mapping[str, Mapping[str, str]]
    ks: tuple[int, ...]
    trials: int = 0
    seed: int = 0

    @property
    def longest(self) -> int:
        """The posts that lists need."""
        return max(self.ks)


@dataclass(frozen=True, slots=True)
class Tuned:
    """What tuning found: the mean nDCG of posts held out of the training, with the defaults and with what it chose."""

    trials: int
    holdout_users: int
    default_score: float
    score: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One algorithm's lists, and how it came to them. seconds: to learn and to make all lists, without tuning."""

    parameters: Mapping[str, Value]
    tuned: Tuned | None
    lists: RankedPosts = field(repr=False)
    judgement: Judgement = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class FileEvaluation:
    """All algorithms, judged by the same users. seconds: for everything, reading included."""

    plan: FilePlan
    split: InteractionSplit
    evaluated: Mapping[str, Evaluated]
    summaries: Mapping[str, Summary]
    seconds: float

    @property
    def estimates(self) -> dict[str, Mapping[str, Estimate]]:
        """By algorithm and then by metric."""
        return {name: summary.estimates for name, summary in self.summaries.items()}

    def document(self) -> dict[str, Any]:
        """As JSON takes it."""
        interactions = self.split.training.interactions
        return {
            "train": str(self.plan.training),
            "test": str(self.plan.test),
            "at": list(self.plan.ks),
            "users": interactions.user_count,
            "posts": interactions.post_count,
            "timed": self.split.training.timed,
            "test_users": len(self.split.test_users),
            "test_users_unknown": int((self.split.test_users < 0).sum()),
            "test_pairs": self.split.relevant.nnz,
            "test_pairs_with_unknown_posts": self.split.unknown_pairs,
            "test_pairs_in_training": self.split.known_pairs,
            "baseline": BASELINE,
            "confidence": CONFIDENCE,
            "resamples": RESAMPLES,
            "seconds": self.seconds,
            "algorithms": {name: self._algorithm_document(name) for name in self.evaluated},
        }

    def table(self) -> Table:
        """For a person: each algorithm's metrics with intervals, and how far they are above the baseline's."""
        table = Table(
            title=f"{self.plan.test} by {self.plan.training}", caption=self._caption(), caption_justify="left"
        )
        table.add_column("metric")
        table.add_column("mean (95 % interval)", justify="right")
        table.add_column(f"over {BASELINE}", justify="right")
        for name in self.evaluated:
            self._add_rows(table, name)
        return table

    def write_lists(self, path: Path) -> None:
        """The first algorithm's lists as CSV: user_id, post_id, rank, score. Raises InvalidInput."""
        lists = next(iter(self.evaluated.values())).lists
        post_ids = self.split.post_ids.to_pylist()
        try:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(("user_id", "post_id", "rank", "score"))
                for user_id, rows, scores in zip(self.split.test_user_ids.to_pylist(), *lists, strict=True):
                    writer.writerows(
                        (user_id, post_ids[row], 1 + place, f"{score:.9g}")
                        for place, (row, score) in enumerate(zip(rows.tolist(), scores.tolist(), strict=True))
                        if row >= 0
                    )
        except OSError as error:
            raise InvalidInput(f"{path}: cannot be written: {error.strerror or error}") from error

    def _algorithm_document(self, name: str) -> dict[str, Any]:
        one, summary = self.evaluated[name], self.summaries[name]
        return {
            "parameters": dict(one.parameters),
            "tuned": None if one.tuned is None else _fields(one.tuned),
            "test_users_without_list": one.judgement.without_list,
            "seconds": one.seconds,
            "metrics": {metric: estimate._asdict() for metric, estimate in summary.estimates.items()},
            "catalogue_coverage": {f"@{k}": share for k, share in one.judgement.coverage.items()},
            "over_baseline": None if summary.differences is None else _differences_document(summary.differences),
        }

    def _add_rows(self, table: Table, name: str) -> None:
        summary = self.summaries[name]
        table.add_row(name)
        for metric, estimate in summary.estimates.items():
            gain = summary.differences[metric].relative if summary.differences else None
            table.add_row(f"  {metric}", _shown(estimate, "{:.4f}"), _shown(gain, "{:+.1%}") if gain else "")
        for k, share in self.evaluated[name].judgement.coverage.items():
            table.add_row(f"  coverage@{k}", f"{share:.4f}", end_section=k == self.plan.longest)

    def _caption(self) -> str:
        document = self.document()
        lines = [
            f"{document['users']:,} users and {document['posts']:,} posts in training; judged by "
            f"{document['test_pairs']:,} pairs of {document['test_users']:,} users ({document['test_users_unknown']:,} "
            f"unknown to training)",
            f"{document['test_pairs_with_unknown_posts']:,} of these pairs are with posts unknown to training and "
            f"{document['test_pairs_in_training']:,} are in it already: misses",
            *(self._said_of(name) for name in self.evaluated),
            f"95 % bootstrap intervals over users, paired over {BASELINE}; {self.seconds:.1f} s in all",
        ]
        return "\n".join(lines)

    def _said_of(self, name: str) -> str:
        one = self.evaluated[name]
        parameters = " ".join(f"{parameter}={_short(value)}" for parameter, value in one.parameters.items())
        tuned = (
            "" if one.tuned is None else f"; tuned on a holdout, {one.tuned.default_score:.4f} → {one.tuned.score:.4f}"
        )
        return f"{name} ({parameters}{tuned}): {one.judgement.without_list:,} without a list; {one.seconds:.1f} s"


def plan_of(
    training: Path,
    test: Path,
    names: list[str],
    given: Mapping[str, str],
    *,
    ks: tuple[int, ...],
    trials: int,
    seed: int,
) -> FilePlan:
    """The plan for these algorithms and the baseline beside them. Raises InvalidInput for what they cannot be."""
    return FilePlan(training, test, parameters_for(names, given), ks, trials, seed)


def parameters_for(names: list[str], given: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    """The parameters of each named algorithm, and of the baseline beside them. Raises InvalidInput.

    given: parameters by name; each goes to all named algorithms that have it.
    """
    try:
        algorithms = {name: _having(name, given) for name in names}
        for parameter in given:
            if not any(parameter in taken for taken in algorithms.values()):
                algorithm_named(names[0], {parameter: given[parameter]})
        for name, parameters in algorithms.items():
            algorithm_named(name, parameters)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    return {**algorithms, BASELINE: algorithms.get(BASELINE, {})}


def evaluate_files(plan: FilePlan) -> FileEvaluation:
    """Read, learn, rank and judge. Raises InvalidInput that names what is wrong with files and parameters."""
    started = time.perf_counter()
    split = read_split(plan.training, plan.test)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        evaluated = {name: _Work(plan, split, name, progress).evaluated() for name in plan.algorithms}
    summaries = summarised({name: one.judgement for name, one in evaluated.items()}, BASELINE, plan.seed)
    return FileEvaluation(plan, split, evaluated, summaries, time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class _Work:
    """One algorithm on its way."""

    plan: FilePlan
    split: InteractionSplit
    name: str
    progress: Progress

    def evaluated(self) -> Evaluated:
        try:
            return self._evaluated()
        except ValueError as error:
            raise InvalidInput(f"{self.name}: {error}") from error

    def _evaluated(self) -> Evaluated:
        parameters, tuned = self._tuned()
        algorithm = algorithm_named(self.name, parameters)
        started = time.perf_counter()
        bar = self.progress.add_task(self.name, total=len(self.split.test_users))
        lists = fully_ranked(
            algorithm,
            self.split.training,
            self.split.test_users,
            self.plan.longest,
            threads=_threads(),
            on_users=lambda done, _: self.progress.update(bar, completed=done),
        )
        seconds = time.perf_counter() - started
        judgement = judged(lists.rows, self.split.relevant, self.split.training.user_shares(), self.plan.ks)
        return Evaluated(_own_parameters(algorithm), tuned, lists, judgement, seconds)

    def _tuned(self) -> tuple[Mapping[str, Any], Tuned | None]:
        """The parameters given, and those that the holdout chose where it was asked to."""
        given = self.plan.algorithms[self.name]
        if not self.plan.trials:
            return given, None
        tuning = _tuning()
        learner, training = ALGORITHMS[self.name], self.split.training
        space = {
            name: kind for name, kind in tuning.tunable(learner, timed=training.timed).items() if name not in given
        }
        if not space:
            return given, None
        holdout = held_out(training, self.plan.seed)
        score = self._scored(holdout)
        start = tuning.defaults_of(learner, space)
        found = tuning.tune(space, score, trials=self.plan.trials, seed=self.plan.seed, start=start)
        tuned = Tuned(self.plan.trials, holdout.judged, found.start.value, found.best.value)
        return {**given, **found.best.parameters}, tuned

    def _scored(self, holdout: Holdout) -> Callable[[Mapping[str, Value]], float]:
        bar = self.progress.add_task(f"tuning {self.name}", total=self.plan.trials + 1)

        def score(values: Mapping[str, Value]) -> float:
            algorithm = algorithm_named(self.name, {**self.plan.algorithms[self.name], **values})
            found = holdout.score(algorithm, self.plan.longest, _threads())
            self.progress.advance(bar)
            return found

        return score


def _tuning() -> Any:
    try:
        from core.infrastructure import optuna_tuning  # noqa: PLC0415 - may not be installed
    except ModuleNotFoundError as error:
        raise InvalidInput(f"tuning needs {error.name}: install the dependency group `evaluation`") from error
    return optuna_tuning


def _having(name: str, given: Mapping[str, str]) -> dict[str, str]:
    known = parameters_of(type(algorithm_named(name)))
    return {parameter: value for parameter, value in given.items() if parameter in known}


def _own_parameters(algorithm: Algorithm) -> dict[str, Value]:
    return {name: algorithm.get_params()[name] for name in parameters_of(type(algorithm))}


def _threads() -> int:
    return os.cpu_count() or 1


def _fields(tuned: Tuned) -> dict[str, Any]:
    return {name: getattr(tuned, name) for name in Tuned.__slots__}


def _differences_document(differences: Mapping[str, Difference]) -> dict[str, Any]:
    return {
        metric: {"absolute": difference.absolute._asdict(), "relative": difference.relative._asdict()}
        for metric, difference in differences.items()
    }


def _shown(estimate: Estimate, form: str) -> str:
    if math.isnan(estimate.mean):
        return "–"
    mean, low, high = (form.format(value) for value in estimate)
    return f"{mean} ({low} … {high})"


def _short(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
