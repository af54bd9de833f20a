"""`threads-ml train`: learn a model from the interactions and let it serve."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from core.application.train_model import Training
from core.domain.gate import Check, Outcome
from core.domain.model import ModelRecord
from core.domain.trial import Trial
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, operator, run_to_end
from scripts.training import open_training
from scripts.wiring import open_platform

REFUSED_EXIT_CODE = 3

app = command_app()


@app.command()
def train(
    *,
    no_gate: Annotated[
        bool, typer.Option("--no-gate", help="Try nothing: the new model serves, and its row says why.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Learn a model from all interactions, try it beside the champion, and promote it if the gate lets it pass.

    Exit code 3: it stays a candidate because of what it is.
    """
    training = run_to_end(_train(data_dir, is_gated=not no_gate))
    for line in _said_of(training):
        console.print(line)
    if training.was_refused_by_gate:
        raise typer.Exit(REFUSED_EXIT_CODE)


async def _train(data_dir: Path, *, is_gated: bool) -> Training:
    async with open_platform(data_dir) as settings, open_training(settings) as train_model:
        with console.status("training"):
            return await train_model(by=operator(), is_gated=is_gated)


def _said_of(training: Training) -> Iterator[str]:
    record = training.record
    yield (
        f"{record.version}: learned from {record.interaction_count:,} interactions of {record.user_count:,} users "
        f"with {record.post_count:,} posts over {_days(record.data_up_to - record.data_from)}"
    )
    if record.trial is not None and record.trial.metrics:
        yield _measured(record.trial)
    for check in record.verdict.checks if record.verdict is not None else ():
        yield _checked(check)
    yield f"it stays a candidate: {training.refusal}" if training.refusal else f"{_name(record)} serves now"


def _measured(trial: Trial) -> str:
    ndcg = trial.metrics["ndcg_at_10"]
    over = "" if trial.gain_over_popular is None else f", {trial.gain_over_popular.mean:+.1%} over popular posts"
    return (
        f"nDCG@10 {ndcg.mean:.4f} ({ndcg.low:.4f} … {ndcg.high:.4f}){over}; "
        f"{trial.judged:,} users in {trial.windows} daily windows"
    )


def _checked(check: Check) -> str:
    marks = {Outcome.PASSED: "passed", Outcome.UNSURE: "unsure", Outcome.FAILED: "FAILED", Outcome.BYPASSED: "bypassed"}
    return f"  {marks[check.outcome]:8} {check.name}: {check.says}"


def _name(record: ModelRecord) -> str:
    return record.version


def _days(span: timedelta) -> str:
    return f"{span.total_seconds() / 86400:.0f} days"


if __name__ == "__main__":
    app()
