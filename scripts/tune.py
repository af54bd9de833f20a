"""`threads-ml tune`: look for the parameters of an algorithm that would have made the best lists lately."""

import asyncio
import hashlib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from core.application.ports.run_tracker import RunKind, TrackedRun
from core.domain.errors import InvalidInput
from core.domain.named_values import named_values
from core.infrastructure.adbc_timed_interactions import DatedInteractions, read_timed_interactions
from core.infrastructure.numba_machine_code import warm_kernels
from core.infrastructure.optuna_tuning import Tuned, defaults_of, tunable, tune
from core.infrastructure.tuning_report import PICTURE, shown, write_report
from core.recommender.parameters import Value
from core.recommender.registry import algorithm_named
from core.recommender.replay import DAY_HOURS, WEEK_HOURS, Replay, replayed
from core.recommender.timed_interactions import TimedInteractions
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, run_to_end
from scripts.replaying import described_span, ended
from scripts.tracking import open_tracker
from scripts.wiring import open_platform

JUDGED_POSTS = 10

app = command_app()


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, and on which windows: so many before `until`, each of so many hours."""

    algorithm: str
    fixed: Mapping[str, str]
    trials: int
    windows: int
    window_hours: float
    seed: int


@app.command(name="tune")
def tune_parameters(
    *,
    algorithm: Annotated[str, typer.Option(help="One of the algorithms.")] = "user_knn",
    param: Annotated[list[str] | None, typer.Option(help="name=value that is not looked for, but stays.")] = None,
    trials: Annotated[
        int, typer.Option(min=1, max=100_000, help="Trials in all, those of earlier runs included.")
    ] = 50,
    windows: Annotated[int, typer.Option(min=1, max=1000, help="Validation windows, the last ones there are.")] = 14,
    weekly: Annotated[bool, typer.Option("--weekly", help="Windows of a week instead of a day.")] = False,
    until: Annotated[
        str | None, typer.Option(help="End of the training period, ISO 8601; what came later is not looked at.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Other trials for another number.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Folder of the report and of the trials. [default: tuning/ALGORITHM in the data dir]"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Look for parameters on the last windows of the interactions; goes on where it was interrupted."""
    window_hours, folder = WEEK_HOURS if weekly else DAY_HOURS, out or data_dir / "tuning" / algorithm

    async def search_and_report() -> None:
        search = Search(algorithm, named_values(param or []), trials, windows, window_hours, seed)
        await _tune(data_dir, search, until, folder, as_json=as_json)

    run_to_end(search_and_report())


async def _tune(data_dir: Path, search: Search, until: str | None, folder: Path, *, as_json: bool) -> None:
    _check(search)
    async with open_platform(data_dir) as settings, open_tracker(settings) as tracker:
        await asyncio.to_thread(warm_kernels, settings.model_path)
        dated = await asyncio.to_thread(read_timed_interactions, settings.database_url, settings.interaction_weights)
        tuned = await asyncio.to_thread(_tuned, ended(dated, until), search, folder)
        title = f"{search.algorithm}: nDCG@{JUDGED_POSTS} in {search.windows} windows of {search.window_hours:g} hours"
        report = write_report(tuned, folder, title, search.fixed)
        await tracker.track(_run_of(search, tuned, report))
    if as_json:
        print(msgspec.json.encode(_document(search, tuned, report)).decode())
    else:
        console.print(_said_of(search, tuned, report))


def _check(search: Search) -> None:
    """Before anything is read."""
    try:
        algorithm_named(search.algorithm, search.fixed)
    except ValueError as error:
        raise InvalidInput(str(error)) from error


def _tuned(dated: DatedInteractions, search: Search, folder: Path) -> Tuned:
    try:
        algorithm = type(algorithm_named(search.algorithm, search.fixed))
        space = {
            name: parameter for name, parameter in tunable(algorithm, timed=True).items() if name not in search.fixed
        }
        if not space:
            raise InvalidInput(
                f"nothing is left to look for: all parameters of {search.algorithm} are fixed by --param"
            )
        _check_windows(dated, search)
        folder.mkdir(parents=True, exist_ok=True)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("tuning", total=search.trials)
            return tune(
                space,
                _objective(dated.interactions, search),
                trials=search.trials,
                seed=search.seed,
                start=defaults_of(algorithm, space),
                storage=folder / "trials.log",
                name=_name_of(dated.interactions, search),
                on_trial=lambda done, best: progress.update(bar, completed=done, description=f"best {best:.4f}"),
            )
    except ValueError as error:
        raise InvalidInput(f"{error} ({described_span(dated)})") from error
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be written: {error.strerror}") from error


def _check_windows(dated: DatedInteractions, search: Search) -> None:
    most = math.ceil(float(dated.interactions.times[-1]) / search.window_hours) - 1
    if search.windows > most:
        raise InvalidInput(
            f"--windows {search.windows} of {search.window_hours:g} hours do not fit into the interactions, with "
            f"something before them to learn from: at most {max(0, most)} do; {described_span(dated)}"
        )


def _objective(interactions: TimedInteractions, search: Search) -> Callable[[Mapping[str, Value]], float]:
    """The mean nDCG of fresh lists over the users of the windows, by posts known by then."""
    end = float(interactions.times[-1])
    moments = tuple(end - back * search.window_hours for back in range(search.windows, 0, -1))
    plan = Replay(moments, search.window_hours, (0.0,), JUDGED_POSTS)

    def judged(parameters: Mapping[str, Value]) -> float:
        algorithm = algorithm_named(search.algorithm, {**search.fixed, **parameters})
        result = replayed(interactions, {search.algorithm: algorithm}, plan, threads=os.cpu_count() or 1)
        return float(result.values(search.algorithm, "known", 0.0).mean())

    return judged


def _name_of(interactions: TimedInteractions, search: Search) -> str:
    """Trials are gone on with only where nothing but their number has changed, the interactions included."""
    asked = (sorted(search.fixed.items()), search.windows, search.window_hours, search.seed)
    digest = hashlib.sha256(repr(asked).encode())
    for column in (interactions.users, interactions.posts, interactions.weights, interactions.times):
        digest.update(column.tobytes())
    return f"{search.algorithm} {digest.hexdigest()[:16]}"


def _run_of(search: Search, tuned: Tuned, report: Path) -> TrackedRun:
    """The search as it is compared with trainings and other searches: what it found, and how it came there."""
    first = {} if tuned.start.value is None else {f"ndcg_at_{JUDGED_POSTS}_first": tuned.start.value}
    return TrackedRun(
        kind=RunKind.TUNING,
        name=f"tuning of {search.algorithm}",
        parameters={"algorithm": search.algorithm, **search.fixed, **tuned.best.parameters},
        metrics={
            f"ndcg_at_{JUDGED_POSTS}": tuned.best.value or 0.0,
            **first,
            "trials": len(tuned.attempts),
            "seconds": sum(attempt.seconds for attempt in tuned.attempts),
        },
        series={
            f"ndcg_at_{JUDGED_POSTS}_by_trial": [
                attempt.value for attempt in tuned.attempts if attempt.value is not None
            ]
        },
        tags={"windows": f"{search.windows} of {search.window_hours:g} h", "seed": str(search.seed)},
        files=(report, report.with_name(PICTURE)),
    )


def _document(search: Search, tuned: Tuned, report: Path) -> dict[str, Any]:
    return {
        "algorithm": search.algorithm,
        "parameters": {**search.fixed, **tuned.best.parameters},
        "ndcg": tuned.best.value,
        "first": {"parameters": tuned.start.parameters, "ndcg": tuned.start.value},
        "trials": len(tuned.attempts),
        "report": str(report),
    }


def _said_of(search: Search, tuned: Tuned, report: Path) -> str:
    first = "was refused" if tuned.start.value is None else f"had {tuned.start.value:.4f}"
    return (
        f"nDCG@{JUDGED_POSTS} {tuned.best.value:.4f} after {len(tuned.attempts)} trials; the defaults "
        f"{first}; report: {report}\nALGORITHM={search.algorithm}\n"
        f"ALGORITHM_PARAMETERS={shown({**search.fixed, **tuned.best.parameters})}"
    )


if __name__ == "__main__":
    app()
