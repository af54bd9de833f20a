"""`threads-ml evaluate` without files: the database's interactions replayed, lists judged by what came after them."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.progress import Progress
from rich.table import Table

from core.domain.errors import InvalidInput
from core.infrastructure.adbc_timed_interactions import DatedInteractions, read_timed_interactions
from core.infrastructure.numba_machine_code import warm_kernels
from core.recommender.algorithm import Algorithm
from core.recommender.bootstrap import Estimate
from core.recommender.replay import (
    DAY_HOURS,
    WEEK_HOURS,
    ListSource,
    Replay,
    ReplayResult,
    daily_moments,
    replayed,
    weekly_moments,
)
from core.recommender.replay_summary import Row, summarised
from core.recommender.simulated_feed import FeedSize, simulated_feed
from core.settings import Settings
from scripts.replaying import described_span, moment_of

DEFAULT_WINDOWS = 28
BEST = "best possible"
ROUNDING_HOURS = 1e-6
SIMULATED_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Period:
    """Which windows: from `first` to `last`, both ISO 8601; by default the last ones there are."""

    first: str | None = None
    last: str | None = None
    weekly: bool = False
    ages_hours: tuple[float, ...] = (0.0, 1.0, 6.0, 24.0)
    ks: tuple[int, ...] = (10,)
    least_history: int = 5
    seed: int = 0

    @property
    def window_hours(self) -> float:
        """How long after a moment interactions are judged, and how far moments are apart."""
        return WEEK_HOURS if self.weekly else DAY_HOURS


@dataclass(frozen=True, slots=True)
class ReplayEvaluation:
    """A replay, in figures, and where its time lies."""

    dated: DatedInteractions
    result: ReplayResult
    rows: Sequence[Row]
    baseline: str | None
    parameters: Mapping[str, Mapping[str, Any]]

    def document(self) -> dict[str, Any]:
        """As JSON takes it."""
        plan = self.result.plan
        return {
            "from": self.dated.moment_at(plan.moments[0]).isoformat(),
            "to": self.dated.moment_at(plan.moments[-1] + plan.horizon_hours).isoformat(),
            "windows": len(plan.moments),
            "window_hours": plan.horizon_hours,
            "baseline": self.baseline,
            "parameters": {name: dict(parameters) for name, parameters in self.parameters.items()},
            "unreachable_share": {f"{age:g}": self.result.unreachable_share(age) for age in plan.list_ages_hours},
            "rows": [_row_document(row) for row in self.rows],
        }

    def table(self) -> Group:
        """For a person: nDCG with its interval, the gain over the baseline, and the share of users with a hit."""
        groups = dict.fromkeys((row.k, row.target, row.warm_only) for row in self.rows)
        tables = [
            self._group([row for row in self.rows if (row.k, row.target, row.warm_only) == group]) for group in groups
        ]
        return Group(*tables, self._caption())

    def _group(self, rows: Sequence[Row]) -> Table:
        first = rows[0]
        users = "warm users" if first.warm_only else "everyone"
        table = Table(title=f"{first.target} posts, {users} ({first.judged:,} judged)", title_justify="left")
        table.add_column("algorithm")
        for column in ("age", f"nDCG@{first.k}", f"over {self.baseline}", "hit rate"):
            table.add_column(column, justify="right")
        for row in rows:
            table.add_row(
                row.algorithm,
                f"{row.age_hours:g} h",
                _shown(row.measures["ndcg"], "{:.4f}"),
                _shown(row.gain, "{:+.1%}") if row.gain else "",
                f"{row.measures['hit_rate'].mean:.3f}",
            )
        return table

    def _caption(self) -> str:
        plan = self.result.plan
        begin, end = (self.dated.moment_at(hours) for hours in (plan.moments[0], plan.moments[-1] + plan.horizon_hours))
        share = self.result.unreachable_share(plan.list_ages_hours[0])
        return (
            f"{len(plan.moments)} windows of {plan.horizon_hours:g} h from {begin:%Y-%m-%d %H:%M} to "
            f"{end:%Y-%m-%d %H:%M}; 95 % intervals over users, gains paired.\n"
            "known: posts that somebody had before the window; all: those that came in it too, "
            f"{share:.0%} of first-time interactions, which no list could hold.\n"
            f"warm: users with {plan.least_history} posts or more by then; a user without a list counts 0."
        )


async def evaluate_replay(
    settings: Settings, algorithms: Mapping[str, Algorithm], baseline: str | None, period: Period
) -> ReplayEvaluation:
    """Read, replay and sum up. Raises InvalidInput for a period outside the interactions."""
    await asyncio.to_thread(warm_kernels, settings.model_path)
    dated = await asyncio.to_thread(read_timed_interactions, settings.database_url, settings.interaction_weights)
    period = replace(period, least_history=settings.cold_start_min_interactions)
    return await asyncio.to_thread(_evaluated, dated, algorithms, baseline, period, {})


def evaluate_simulated(algorithms: Mapping[str, Algorithm], baseline: str | None, period: Period) -> ReplayEvaluation:
    """The same over a simulated feed, beside the lists that are best by its users' true taste."""
    feed = simulated_feed(FeedSize(), period.seed)
    simulated = DatedInteractions(feed.interactions, SIMULATED_EPOCH)
    return _evaluated(simulated, algorithms, baseline, period, {BEST: feed.best_lists})


def _evaluated(
    dated: DatedInteractions,
    algorithms: Mapping[str, Algorithm],
    baseline: str | None,
    period: Period,
    sources: Mapping[str, ListSource],
) -> ReplayEvaluation:
    try:
        plan = Replay(
            moments_of(dated, period), period.window_hours, period.ages_hours, max(period.ks), period.least_history
        )
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("replaying")
            result = replayed(
                dated.interactions,
                algorithms,
                plan,
                lambda done, total: progress.update(bar, completed=done, total=total),
                sources=sources,
                threads=os.cpu_count() or 1,
            )
    except ValueError as error:
        raise InvalidInput(f"{error} ({described_span(dated)})") from error
    parameters = {name: algorithm.get_params() for name, algorithm in algorithms.items()}
    return ReplayEvaluation(dated, result, summarised(result, baseline, period.ks, period.seed), baseline, parameters)


def moments_of(dated: DatedInteractions, period: Period) -> tuple[float, ...]:
    """When windows begin. Raises InvalidInput for a period outside the interactions."""
    if not len(dated.interactions.times):
        raise InvalidInput("there are no interactions to replay: import some first")
    step = period.window_hours
    newest = float(dated.interactions.times[-1])
    last = newest - step
    if period.last:
        last = _inside(dated, dated.hours_at(moment_of(period.last, "--to")), "--to", period.last) - step
    if period.first:
        first = _inside(dated, dated.hours_at(moment_of(period.first, "--from")), "--from", period.first)
    else:
        # Before the first window there is at least one of the same length, and the age of the lists, to learn from.
        windows = min(DEFAULT_WINDOWS, int((last - max(period.ages_hours)) / step))
        if windows < 1:
            raise InvalidInput(
                f"before a window of {step:g} hours and lists {max(period.ages_hours):g} hours old nothing is left to "
                f"learn from: {described_span(dated)}"
            )
        first = last - step * (windows - 1)
    if last < first - ROUNDING_HOURS:
        begin, end = (dated.moment_at(hours).isoformat(timespec="minutes") for hours in (first, last + step))
        raise InvalidInput(f"between --from {begin} and --to {end} there is no window of {step:g} hours")
    return weekly_moments(first, last) if period.weekly else daily_moments(first, last)


def _inside(dated: DatedInteractions, hours: float, option: str, text: str) -> float:
    """A window's bound up to a day behind the newest interaction, which the last window may end with."""
    if not 0 <= hours <= float(dated.interactions.times[-1]) + DAY_HOURS:
        raise InvalidInput(f"{option} {text} is outside the interactions: {described_span(dated)}")
    return hours


def _row_document(row: Row) -> dict[str, Any]:
    return {
        "k": row.k,
        "algorithm": row.algorithm,
        "posts": row.target,
        "users": "warm" if row.warm_only else "everyone",
        "age_hours": row.age_hours,
        "judged": row.judged,
        **{name: estimate._asdict() for name, estimate in row.measures.items()},
        "gain": row.gain._asdict() if row.gain else None,
    }


def _shown(estimate: Estimate, form: str) -> str:
    mean, low, high = (form.format(value) for value in estimate)
    return f"{mean} ({low}…{high})"
