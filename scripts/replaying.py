"""What looking back at the database's interactions has in common: periods, windows, and their options."""

from datetime import UTC, datetime

import numpy as np

from core.domain.errors import InvalidInput
from core.infrastructure.adbc_timed_interactions import DatedInteractions


def ended(dated: DatedInteractions, until: str | None) -> DatedInteractions:
    """The interactions up to a moment in ISO 8601, all of them without one. Raises InvalidInput where none are left."""
    last = np.inf if until is None else dated.hours_at(moment_of(until, "--until"))
    kept = dated.interactions.times <= last
    if not kept.any():
        raise InvalidInput(f"there are no interactions up to {until}: {described_span(dated)}")
    return DatedInteractions(dated.interactions.where(kept), dated.epoch)


def moment_of(text: str, option: str) -> datetime:
    """A date or time in ISO 8601, UTC where it names no zone. Raises InvalidInput."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{option} {text!r} is wrong: a date like 2026-05-31 or a time is expected") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def described_span(dated: DatedInteractions) -> str:
    """When the interactions begin and end, for a person."""
    times = dated.interactions.times
    if not len(times):
        return "there are none at all"
    first, last = (dated.moment_at(float(time)).isoformat(timespec="minutes") for time in (times[0], times[-1]))
    return f"they are from {first} to {last}"
