"""Problem details (RFC 9457): the one shape of every error."""

import msgspec
from msgspec import UNSET, UnsetType

PROBLEM_JSON = "application/problem+json"
TYPE_PREFIX = "urn:threads-ml:problem:"


class FieldProblem(msgspec.Struct, frozen=True):
    """A field, by its JSON pointer, and the rule it breaks."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True):
    """What went wrong; `type` is stable, the texts are for people."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | UnsetType = UNSET
    errors: list[FieldProblem] | UnsetType = UNSET

    @classmethod
    def of_failed_job(cls, failure: str) -> "Problem":
        """Why a job failed, inside the document that says so."""
        return cls(f"{TYPE_PREFIX}job-failed", "The feed could not be generated", 500, failure)
