import pytest
from sanic.exceptions import MethodNotAllowed, SanicException, Unauthorized
from sanic.exceptions import NotFound as NoSuchPath

from core.domain import errors
from web.errors import FAULT, GENERATION_FAILED, KINDS, kind_of
from web.readiness import NotReady


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (errors.InvalidInput("x"), 400, "invalid-input"),
        (errors.CursorExpired("x"), 410, "cursor-expired"),
        (errors.NotFound("x"), 404, "not-found"),
        (errors.ArchiveUnavailable("x"), 503, "unavailable"),
        (errors.CacheUnavailable("x"), 503, "unavailable"),
        (errors.QueueUnavailable("x"), 503, "unavailable"),
        (errors.Overloaded("x", 7), 503, "overloaded"),
        (NotReady("x"), 503, "not-ready"),
        (NoSuchPath("x"), 404, "no-such-path"),
        (MethodNotAllowed("x", "PUT", ["GET"]), 405, "method-not-allowed"),
        (Unauthorized("x"), 401, "http-401"),
        (SanicException("x"), 500, "internal-error"),
        (errors.ArtefactRefused("x"), 500, "internal-error"),
        (KeyError("x"), 500, "internal-error"),
    ],
)
def test_each_error_has_its_status_and_type(error: Exception, status: int, name: str) -> None:
    kind = kind_of(error)

    assert (kind.status, kind.type) == (status, f"urn:threads-ml:problem:{name}")


def test_a_type_means_one_status() -> None:
    kinds = {*KINDS.values(), FAULT, GENERATION_FAILED}

    assert len({(kind.name, kind.status) for kind in kinds}) == len({kind.name for kind in kinds})
