"""`threads-ml status`: how the service stands."""

import re
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from core.application.describe_service import ServiceDescription
from core.domain.schedule import Task, TaskRecord
from core.domain.thresholds import Check
from core.infrastructure.cron_ticks import CronTicks
from core.settings import Settings
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, run_to_end
from scripts.wiring import open_description, open_measurement, open_platform, settings_for

NDCG = "ndcg_at_10"

app = command_app()


@app.command()
def status(
    check: Annotated[
        bool, typer.Option("--check", help="End with 1 if a threshold (CHECK_…) is crossed, and tell which.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document, with passwords in the URLs.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Tell which model serves, how fresh the feeds are and what is queued."""
    if check and not as_json:
        checks = run_to_end(_checks(data_dir))
        console.print(_told(checks))
    else:
        facts, checks = run_to_end(_facts_and_checks(data_dir))
        _show(facts, checks, as_json=as_json)
    if check and any(one.is_crossed for one in checks):
        raise typer.Exit(1)


def _show(facts: dict[str, Any], checks: list[Check], *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.format(msgspec.json.encode({**facts, "checks": checks}), indent=2).decode())
    else:
        console.print(_table(facts))


def _told(checks: list[Check]) -> str:
    """One line each that is crossed, else one that tells how many were looked at."""
    crossed = [one.says for one in checks if one.is_crossed]
    return "\n".join(crossed) or f"all is well: {len(checks)} figures are within their thresholds"


async def _checks(data_dir: Path) -> list[Check]:
    async with _platform(data_dir) as settings:
        return await _checked(settings)


async def _facts_and_checks(data_dir: Path) -> tuple[dict[str, Any], list[Check]]:
    async with _platform(data_dir) as settings, open_description(settings) as describe:
        return _as_facts(settings, await describe(), describe.clock.now()), await _checked(settings)


async def _checked(settings: Settings) -> list[Check]:
    async with open_measurement(settings) as measure:
        return settings.thresholds.checks(await measure(), measure.clock.now())


def _platform(data_dir: Path) -> AbstractAsyncContextManager[Settings]:
    # Beside an own Postgres the own Redis is started too; beside a given one it may be left out.
    return open_platform(data_dir, with_redis=not settings_for(data_dir).database_url)


def _as_facts(settings: Settings, described: ServiceDescription, now: datetime) -> dict[str, Any]:
    return {
        "database_url": settings.database_url,
        "redis_url": settings.redis_url,
        "broker_url": settings.effective_broker_url,
        "schema_revision": described.schema_revision,
        "interactions": described.interactions,
        "model": _model_facts(described),
        "feeds": described.feeds,
        "freshness": _freshness_facts(described, now),
        "queues": described.queues.depths if described.queues else None,
        "workers": described.queues.workers if described.queues else None,
        "clock": _clock_facts(described),
        "schedule": _schedule_facts(described, now),
    }


def _freshness_facts(described: ServiceDescription, now: datetime) -> dict[str, Any] | None:
    """Seconds since interactions were looked for, and since the one acted who waits longest for a feed that knows."""
    due = described.due
    if due is None:
        return None
    return {
        "due_users": due.users,
        "longest_due_seconds": _seconds_since(due.oldest_changed_at, now),
        "read_seconds_ago": _seconds_since(due.read_at, now),
        "sequence": due.sequence,
    }


def _seconds_since(moment: datetime | None, now: datetime) -> int | None:
    return None if moment is None else max(0, round((now - moment).total_seconds()))


def _clock_facts(described: ServiceDescription) -> str | None:
    return "at work" if described.schedule is not None and described.schedule.is_kept else None


def _schedule_facts(described: ServiceDescription, now: datetime) -> dict[str, Any] | None:
    """By what the clock has read of its settings, which may be other than those here."""
    if described.schedule is None or not described.schedule.records:
        return None
    records = described.schedule.records
    return {task.value: _task_facts(records[task], now) for task in Task if task in records}


def _task_facts(record: TaskRecord, now: datetime) -> dict[str, Any]:
    ticks = CronTicks(record.cron)
    return {
        "cron": record.cron,
        "last": record.started_at,
        "outcome": record.outcome,
        "says": record.says or None,
        "succeeded": record.succeeded_at,
        "next": record.due_at(ticks.newest(now)) or ticks.next(now),
    }


def _model_facts(described: ServiceDescription) -> dict[str, Any] | None:
    if described.serving is None or described.serving.model is None:
        return None
    model = described.serving.model
    ndcg = model.trial.metrics.get(NDCG) if model.trial is not None else None
    return {
        "version": model.version,
        "algorithm": model.algorithm,
        "epoch": described.serving.epoch,
        "ndcg_at_10": ndcg and round(ndcg.mean, 4),
        "gate": model.verdict and model.verdict.outcome.value,
        "trained_at": model.trained_at,
        "data_up_to": model.data_up_to,
        "users": model.user_count,
        "posts": model.post_count,
        "interactions": model.interaction_count,
    }


def _table(facts: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in msgspec.to_builtins(facts, builtin_types=(datetime,)).items():
        for row, part in _rows(name, value):
            table.add_row(row, _shown(part))
    return table


def _rows(name: str, value: object) -> Iterator[tuple[str, object]]:
    """One, or one for each part where the parts have parts themselves."""
    if isinstance(value, dict) and any(isinstance(part, dict) for part in value.values()):
        yield from ((f"{name} {part_name}", part) for part_name, part in value.items())
    else:
        yield name, value


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, int):
        return f"{value:,}"
    return _without_password(str(value)) if value is not None else "none"


def _without_password(text: str) -> str:
    return re.sub(r"(://[^:/@]*:)[^@]+@", r"\1***@", text)


if __name__ == "__main__":
    app()
