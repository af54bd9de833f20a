"""Trained models, their names and their place in the registry."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from core.domain.errors import InvalidInput
from core.domain.gate import Learned, Verdict
from core.domain.trial import Trial

_VERSION = re.compile(r"(?:(?P<family>[a-z][a-z0-9_]*)_)?v(?P<number>[1-9][0-9]{0,8})")
FAMILY = "collaborative_filtering"


class ModelStatus(StrEnum):
    """A model's place in its life."""

    CANDIDATE = "candidate"
    CHAMPION = "champion"
    RETIRED = "retired"


def version_number(text: str) -> int:
    """The number in `v3` or `collaborative_filtering_v3`."""
    match = _VERSION.fullmatch(text)
    if match is None or match["family"] not in (None, FAMILY):
        raise InvalidInput(f"{text!r} is not a model version: write v1, v2, … or {FAMILY}_v1, …")
    return int(match["number"])


def version_name(number: int) -> str:
    """The full name of the model with this number."""
    return f"{FAMILY}_v{number}"


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One row of the registry; the artefact's bytes are stored under `sha256`, until `pruned_at` if it has one.

    data_digest: the same for the same interactions; code_revision: of the program that trained it; both and what
    follows are None in models of before these were kept. withdrawn_at: when a rollback took it back. data_snapshot: the
    transactions whose interactions it learned, as Postgres tells it; data_open_since: what others have added to these
    since happened no earlier, as a rule.
    """

    number: int
    algorithm: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    sha256: str
    size_bytes: int
    status: ModelStatus
    interaction_count: int
    user_count: int
    post_count: int
    data_from: datetime
    data_up_to: datetime
    trained_at: datetime
    training_seconds: float | None = None
    data_digest: str | None = None
    code_revision: str | None = None
    trial: Trial | None = None
    verdict: Verdict | None = None
    promoted_at: datetime | None = None
    promoted_by: str | None = None
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None
    pruned_at: datetime | None = None
    data_snapshot: str | None = None
    data_open_since: datetime | None = None

    @property
    def version(self) -> str:
        """The model's full name."""
        return version_name(self.number)

    @property
    def learned(self) -> Learned:
        """How much it learned from."""
        return Learned(self.interaction_count, self.user_count, self.post_count)


def model_before(records: Iterable[ModelRecord]) -> ModelRecord | None:
    """The one that a rollback goes back to: of those that have served, were not taken back and have bytes, the last."""
    served = [
        record
        for record in records
        if record.status is ModelStatus.RETIRED
        and record.promoted_at is not None
        and record.withdrawn_at is None
        and record.pruned_at is None
    ]
    return max(served, key=lambda record: (record.promoted_at, record.number), default=None)


@dataclass(frozen=True, slots=True)
class Serving:
    """The pointer that promotion flips: which model is the champion, and the epoch it opened (0 before the first)."""

    model: ModelRecord | None
    epoch: int
