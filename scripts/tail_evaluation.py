"""`threads-ml evaluate --tail`: lists built once a day beside lists made at each moment with what happened since."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group
from rich.progress import Progress
from rich.table import Table

from core.domain.errors import InvalidInput
from core.infrastructure.adbc_timed_interactions import DatedInteractions, read_timed_interactions
from core.infrastructure.numba_machine_code import warm_kernels
from core.recommender.algorithm import Algorithm
from core.recommender.bootstrap import Estimate
from core.recommender.clustered_bootstrap import interval_of_gain, interval_of_mean
from core.recommender.daily_lists import DailyLists, DailyModels
from core.recommender.replay import DAY_HOURS, Replay, ReplayResult, replayed
from core.recommender.tail import TakesTail
from core.settings import Settings
from scripts.replay_evaluation import Period, moments_of
from scripts.replaying import described_span

AS_BUILT, LIVE, TAIL, ANEW = "built daily", "live history", "live tail", "trained anew"
WAYS = (AS_BUILT, LIVE, TAIL, ANEW)
K = 10
WINDOW_HOURS = 1.0
AGES = ((0.0, 1.0), (1.0, 6.0), (6.0, 12.0), (12.0, 24.0), (0.0, 24.0))
"""Hours since the daily training, from and up to, at which windows begin; the last row is all of them."""


class TailRow(NamedTuple):
    """Windows that begin so long after the daily training.

    judged: users in windows; unborn: share of what they met first that had no interaction at the daily training; ndcg:
    by way; gain: of the live tail over lists built daily.
    """

    from_hours: float
    to_hours: float
    judged: int
    unborn: float
    ndcg: Mapping[str, Estimate]
    gain: Estimate


@dataclass(frozen=True, slots=True)
class TailEvaluation:
    """A replay in windows of an hour, by how long ago the model learned."""

    dated: DatedInteractions
    algorithm: str
    parameters: Mapping[str, Any]
    result: ReplayResult
    rows: tuple[TailRow, ...]

    def document(self) -> dict[str, Any]:
        """As JSON takes it."""
        begin, end = self._span()
        return {
            "from": begin,
            "to": end,
            "windows": len(self.result.plan.moments),
            "window_hours": self.result.plan.horizon_hours,
            "k": K,
            "algorithm": self.algorithm,
            "parameters": dict(self.parameters),
            "rows": [
                {
                    "age_hours": [row.from_hours, row.to_hours],
                    "judged": row.judged,
                    "unborn_share": row.unborn,
                    "ndcg": {way: estimate._asdict() for way, estimate in row.ndcg.items()},
                    "gain": row.gain._asdict(),
                }
                for row in self.rows
            ],
        }

    def table(self) -> Group:
        """For a person."""
        table = Table(title=f"{self.algorithm}, nDCG@{K} against all first-time interactions", title_justify="left")
        table.add_column("trained", no_wrap=True)
        for column in ("judged", "born since", *WAYS, f"{TAIL} / {AS_BUILT}"):
            table.add_column(column, justify="right")
        for row in self.rows:
            table.add_row(
                f"{row.from_hours:g}–{row.to_hours:g} h ago",
                f"{row.judged:,}",
                f"{row.unborn:.0%}",
                *(f"{row.ndcg[way].mean:.4f}" for way in WAYS),
                _shown(Estimate(*(1 + bound for bound in row.gain)), "{:.2f}"),
            )
        return Group(table, self._caption())

    def _span(self) -> tuple[str, str]:
        plan = self.result.plan
        ends = (plan.moments[0], plan.moments[-1] + plan.horizon_hours)
        begin, end = (self.dated.moment_at(hours).isoformat(timespec="minutes") for hours in ends)
        return begin, end

    def _caption(self) -> str:
        begin, end = self._span()
        return (
            f"{len(self.result.plan.moments):,} windows of an hour from {begin} to {end}; everyone who met a post for "
            "the first time in one is judged by all they met so; 95 % intervals over users, the ratio paired.\n"
            f"{AS_BUILT}: the list made when the model learned; {LIVE}: the same model, asked when the window begins; "
            f"{TAIL}: with what happened since; {ANEW}: by a model that has learned just then."
        )


async def evaluate_tail(settings: Settings, name: str, algorithm: Algorithm, period: Period) -> TailEvaluation:
    """Read, replay and sum up. Raises InvalidInput."""
    await asyncio.to_thread(warm_kernels, settings.model_path)
    dated = await asyncio.to_thread(read_timed_interactions, settings.database_url, settings.interaction_weights)
    return await asyncio.to_thread(tail_evaluated, dated, name, algorithm, period)


def tail_evaluated(dated: DatedInteractions, name: str, algorithm: Algorithm, period: Period) -> TailEvaluation:
    """Trained daily from the first moment of the period on. Raises InvalidInput."""
    if not isinstance(algorithm, TakesTail):
        raise InvalidInput(f"{name} takes no tail: it knows what it was trained on, and nothing of what came since")
    days = moments_of(dated, period)
    hours = (day + hour for day in days for hour in np.arange(0, DAY_HOURS, WINDOW_HOURS).tolist())
    moments = tuple(moment for moment in hours if moment < dated.interactions.times[-1])
    try:
        plan = Replay(moments, WINDOW_HOURS, (0.0,), K, period.least_history)
        result = _replayed(dated, algorithm, plan)
    except ValueError as error:
        raise InvalidInput(f"{error} ({described_span(dated)})") from error
    rows = tuple(_row(result, days[0], *ages, period.seed) for ages in AGES if _of_age(result, days[0], *ages).any())
    return TailEvaluation(dated, name, algorithm.get_params(), result, rows)


def _replayed(dated: DatedInteractions, algorithm: Algorithm, plan: Replay) -> ReplayResult:
    threads = os.cpu_count() or 1
    models = DailyModels(dated.interactions, algorithm, plan.moments[0])
    sources = {
        AS_BUILT: DailyLists(models, is_live=False, threads=threads),
        LIVE: DailyLists(models, is_live=True, threads=threads),
        TAIL: DailyLists(models, is_live=True, has_tail=True, threads=threads),
    }
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("replaying")
        return replayed(
            dated.interactions,
            {ANEW: algorithm},
            plan,
            lambda done, total: progress.update(bar, completed=done, total=total),
            sources=sources,
            threads=threads,
        )


def _of_age(result: ReplayResult, first: float, from_hours: float, to_hours: float) -> NDArray[np.bool_]:
    """(j,): whose windows begin so long after a daily training."""
    began = np.array(result.plan.moments)[result.everyone.windows]
    ages = np.round(began - first, 6) % DAY_HOURS
    within: NDArray[np.bool_] = (ages >= from_hours) & (ages < to_hours)
    return within


def _row(result: ReplayResult, first: float, from_hours: float, to_hours: float, seed: int) -> TailRow:
    wanted = _of_age(result, first, from_hours, to_hours)
    users = result.everyone.users[wanted]
    values = {way: result.values(way, "all", 0.0)[wanted] for way in WAYS}
    ndcg = {way: Estimate(float(of.mean()), *interval_of_mean(of, users, seed)) for way, of in values.items()}
    built, tail = values[AS_BUILT], values[TAIL]
    mean = float(tail.mean() / built.mean() - 1) if built.any() else float("inf" if tail.any() else 0)
    gain = Estimate(mean, *interval_of_gain(tail, built, users, seed))
    return TailRow(from_hours, to_hours, len(users), _unborn(result, first, wanted), ndcg, gain)


def _unborn(result: ReplayResult, first: float, wanted: NDArray[np.bool_]) -> float:
    began = np.array(result.plan.moments)[result.everyone.windows]
    trained = first + DAY_HOURS * np.floor(np.round(began - first, 6) / DAY_HOURS)
    of_each = np.repeat(trained, np.diff(result.relevant.indptr))
    unborn = result.births[result.relevant.indices] > of_each
    return float(np.mean(unborn[np.repeat(wanted, np.diff(result.relevant.indptr))]))


def _shown(estimate: Estimate, form: str) -> str:
    mean, low, high = (form.format(value) for value in estimate)
    return f"{mean} ({low}…{high})"
