"""`threads-ml evaluate`: how good the lists of algorithms are, by what users did afterwards."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from core.domain.errors import InvalidInput
from core.domain.named_values import named_values
from core.infrastructure.evaluation_plot import check_format, draw_evaluation
from core.infrastructure.numba_machine_code import warm_kernels
from core.infrastructure.replay_plot import draw_replay
from core.recommender.algorithm import Algorithm
from core.recommender.registry import algorithm_named
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, run_to_end
from scripts.file_evaluation import BASELINE, MOST_AT, FileEvaluation, evaluate_files, parameters_for, plan_of
from scripts.replay_evaluation import Period, ReplayEvaluation, evaluate_replay, evaluate_simulated
from scripts.tail_evaluation import TailEvaluation, evaluate_tail
from scripts.wiring import open_platform, settings_for

DEFAULT_ALGORITHM = "user_knn"

app = command_app()


@app.command()
def evaluate(
    *,
    train: Annotated[
        Path | None,
        typer.Option(
            help="CSV or TSV with the header user_id,post_id[,weight][,created_at] to learn from; a pair's weights w "
            "count log2(1 + their sum)."
        ),
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="The same with what users did later; every pair in it counts alike.")
    ] = None,
    algorithm: Annotated[
        list[str] | None, typer.Option(help=f"One or several; by default {DEFAULT_ALGORITHM}. The popular are beside.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(help="name=value, for each of the algorithms that has such a parameter.")
    ] = None,
    tune: Annotated[
        int, typer.Option(min=0, max=100_000, help="Trials to find the other parameters by a holdout of the training.")
    ] = 0,
    at: Annotated[str, typer.Option(help="Lengths of lists at which to judge them.")] = "10,20",
    first: Annotated[
        str | None, typer.Option("--from", help="Replay: where the first window begins, ISO 8601; by default late.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Replay: where the last window ends; by default with the interactions.")
    ] = None,
    weekly: Annotated[bool, typer.Option("--weekly", help="Replay: windows of a week instead of a day.")] = False,
    ages: Annotated[str, typer.Option(help="Replay: how old lists are when they are judged, hours.")] = "0,1,6,24",
    seed: Annotated[int, typer.Option(min=0, help="Of holdout, trials, simulated feed and resampling.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    lists: Annotated[
        Path | None, typer.Option(help="Write the first algorithm's lists: user_id,post_id,rank,score.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the metrics with their intervals: .svg or .png.")] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Replay a made-up feed with known taste beside its best possible lists.")
    ] = False,
    tail: Annotated[
        bool,
        typer.Option("--tail", help="Replay hours: daily lists beside lists with what happened since the training."),
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Judge lists by what users did afterwards, in full ranking.

    With files: learn from one, judge by the other; no database is touched. Without: replay the database's interactions,
    or simulated ones, window after window.
    """
    names = algorithm or [DEFAULT_ALGORITHM]

    async def evaluated() -> FileEvaluation | ReplayEvaluation | TailEvaluation:
        if (train or test) and (simulated or first or last or weekly):
            raise InvalidInput("--train and --test are no replay: leave out --simulated, --from, --to and --weekly")
        if train and test:
            return await _evaluated(train, test, names, param or [], tune, at, seed, lists, plot, data_dir)
        if train or test or tune or lists:
            raise InvalidInput("--train and --test go together; --tune and --lists are for them alone")
        if tail and (train or test or simulated or weekly or plot or len(names) > 1):
            raise InvalidInput("--tail is a replay of the database by one algorithm: leave out what is of others")
        period = Period(first, last, weekly, _ages(ages), _ks(at), seed=seed)
        parameters = parameters_for(names, named_values(param or []))
        algorithms = {name: algorithm_named(name, values) for name, values in parameters.items()}
        if tail:
            return await _tailed(names[0], algorithms[names[0]], replace(period, ages_hours=(0.0,)), data_dir)
        _check_outputs(None, plot)
        replay = (
            await _simulated(algorithms, period, data_dir)
            if simulated
            else await _replayed(algorithms, period, data_dir)
        )
        if plot is not None:
            draw_replay(plot, replay.rows, f"{len(replay.result.plan.moments)} windows")
        return replay

    evaluation = run_to_end(evaluated())
    if as_json:
        print(msgspec.json.encode(evaluation.document()).decode())
    else:
        console.print(evaluation.table())


async def _evaluated(
    train: Path,
    test: Path,
    names: list[str],
    texts: list[str],
    trials: int,
    at: str,
    seed: int,
    lists: Path | None,
    plot: Path | None,
    data_dir: Path,
) -> FileEvaluation:
    plan = plan_of(train, test, names, named_values(texts), ks=_ks(at), trials=trials, seed=seed)
    _check_outputs(lists, plot, inputs=(train, test))
    with Console(stderr=True).status("compiling"):
        await asyncio.to_thread(warm_kernels, settings_for(data_dir).model_path)
    evaluation = evaluate_files(plan)
    if lists is not None:
        evaluation.write_lists(lists)
    if plot is not None:
        _draw(evaluation, plot)
    return evaluation


async def _replayed(algorithms: Mapping[str, Algorithm], period: Period, data_dir: Path) -> ReplayEvaluation:
    async with open_platform(data_dir) as settings:
        return await evaluate_replay(settings, algorithms, BASELINE, period)


async def _tailed(name: str, algorithm: Algorithm, period: Period, data_dir: Path) -> TailEvaluation:
    async with open_platform(data_dir) as settings:
        return await evaluate_tail(settings, name, algorithm, period)


async def _simulated(algorithms: Mapping[str, Algorithm], period: Period, data_dir: Path) -> ReplayEvaluation:
    await asyncio.to_thread(warm_kernels, settings_for(data_dir).model_path)
    return await asyncio.to_thread(evaluate_simulated, algorithms, BASELINE, period)


def _ages(text: str) -> tuple[float, ...]:
    try:
        ages = tuple(float(part) for part in text.split(","))
    except ValueError:
        ages = (math.nan,)
    if not all(0 <= age < math.inf for age in ages):
        raise InvalidInput(f"--ages {text!r} is wrong: hours are expected, like 0,1,6,24")
    return ages


def _ks(text: str) -> tuple[int, ...]:
    try:
        ks = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        ks = ()
    if not ks or not 1 <= ks[0] <= ks[-1] <= MOST_AT:
        raise InvalidInput(f"--at {text!r} is wrong: whole numbers from 1 to {MOST_AT:,} are expected, like 10,20")
    return ks


def _check_outputs(lists: Path | None, plot: Path | None, inputs: tuple[Path, ...] = ()) -> None:
    """Before the work, what would fail after it, or destroy what it came from."""
    for path in (lists, plot):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise InvalidInput(
                f"{path}: cannot be written: {'it is a' if path.is_dir() else 'there is no such'} folder"
            )
        if path is not None and path.exists() and any(path.samefile(one) for one in inputs):
            raise InvalidInput(f"{path}: would be written over: it is what is to be evaluated")
    if plot is not None:
        check_format(plot)


def _draw(evaluation: FileEvaluation, path: Path) -> None:
    plan = evaluation.plan
    draw_evaluation(path, evaluation.estimates, f"{plan.test.name} by {plan.training.name}")


if __name__ == "__main__":
    app()
