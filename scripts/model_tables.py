"""Models of the registry as tables and documents."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.table import Table

from core.domain.model import ModelRecord, ModelStatus, Serving
from core.domain.trial import Comparison, Measured

NDCG = "ndcg_at_10"


def list_table(records: Sequence[ModelRecord], serving: Serving) -> Table:
    """A line a model."""
    table = Table(box=None, pad_edge=False)
    for column in ("version", "status", "algorithm", "trained", "data up to", "nDCG@10", "gate", "promoted by"):
        table.add_column(column)
    for record in records:
        table.add_row(
            record.version,
            status_of(record, serving),
            record.algorithm,
            _moment(record.trained_at),
            _moment(record.data_up_to),
            _quality(record),
            record.verdict.outcome.value if record.verdict else "",
            record.promoted_by or "",
        )
    return table


def model_table(record: ModelRecord, serving: Serving) -> Table:
    """Everything that is known of one model."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, text in _facts(record, serving):
        table.add_row(name, text)
    return table


def compared_table(records: Sequence[ModelRecord], serving: Serving) -> Table:
    """Models side by side; what differs is marked."""
    table = Table("", *[record.version for record in records], "", box=None, pad_edge=False)
    columns = [dict(_facts(record, serving)) for record in records]
    for name in dict.fromkeys(name for column in columns for name in column):
        texts = [column.get(name, "") for column in columns]
        table.add_row(name, *texts, "" if len(set(texts)) == 1 else "*")
    return table


def said_of_comparison(records: Sequence[ModelRecord], comparison: Comparison) -> str:
    """The gain of the first over the second, in words."""
    gain, one, other = comparison.gain, *[record.version for record in records]
    return (
        f"{one} over {other}: nDCG@10 {gain.mean:+.1%} ({gain.low:+.1%} … {gain.high:+.1%}), both learning anew; "
        f"{comparison.judged:,} users in {comparison.windows} daily windows"
    )


def model_document(record: ModelRecord, serving: Serving) -> dict[str, Any]:
    """As JSON takes it."""
    document: dict[str, Any] = msgspec.to_builtins(record)
    serves = serving.model is not None and serving.model.number == record.number
    return {"version": record.version, "serves": serves, **document}


def status_of(record: ModelRecord, serving: Serving) -> str:
    """In one or two words: what became of the model."""
    serves = serving.model is not None and serving.model.number == record.number
    marks = []
    if serves and record.status is not ModelStatus.CHAMPION:
        marks.append("pinned")
    if record.withdrawn_at:
        marks.append("withdrawn")
    if record.pruned_at:
        marks.append("pruned")
    return ", ".join([record.status.value, *marks])


def _facts(record: ModelRecord, serving: Serving) -> Iterator[tuple[str, str]]:
    yield "status", status_of(record, serving)
    yield "algorithm", record.algorithm
    for name, value in record.parameters.items():
        yield f"  {name}", _named(value) if isinstance(value, Mapping) else f"{value}"
    yield "interactions", f"{record.interaction_count:,}"
    yield "users", f"{record.user_count:,}"
    yield "posts", f"{record.post_count:,}"
    yield "data from", _moment(record.data_from)
    yield "data up to", _moment(record.data_up_to)
    yield "data digest", record.data_digest or "not kept"
    yield "trained", _moment(record.trained_at)
    if record.training_seconds is not None:
        yield "training took", f"{record.training_seconds:.1f} s"
    yield "code revision", record.code_revision or "not kept"
    yield "sha256", record.sha256
    yield "size", f"{record.size_bytes:,} bytes"
    yield from _trial_facts(record)
    yield from _fate(record)


def _trial_facts(record: ModelRecord) -> Iterator[tuple[str, str]]:
    trial, verdict = record.trial, record.verdict
    if trial is not None and trial.metrics:
        yield "tried on", f"{trial.windows} daily windows, {trial.judged:,} users in them"
        for name, measured in trial.metrics.items():
            yield f"  {name}", _measured(measured)
        if trial.gain_over_popular is not None:
            gain = trial.gain_over_popular
            yield "  over popular", f"{gain.mean:+.1%} ({gain.low:+.1%} … {gain.high:+.1%})"
    if verdict is not None:
        yield "gate", verdict.outcome.value
        for check in verdict.checks:
            yield f"  {check.name}", f"{check.outcome.value}: {check.says}"


def _fate(record: ModelRecord) -> Iterator[tuple[str, str]]:
    if record.promoted_at:
        yield "promoted", f"{_moment(record.promoted_at)} by {record.promoted_by}"
    if record.withdrawn_at:
        yield "withdrawn", f"{_moment(record.withdrawn_at)} by {record.withdrawn_by}"
    if record.pruned_at:
        yield "pruned", _moment(record.pruned_at)


def _quality(record: ModelRecord) -> str:
    if record.trial is None or NDCG not in record.trial.metrics:
        return ""
    return _measured(record.trial.metrics[NDCG])


def _measured(measured: Measured) -> str:
    return f"{measured.mean:.4f} ({measured.low:.4f} … {measured.high:.4f})"


def _named(values: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
