"""What each error means to a caller, in one table, told as application/problem+json (RFC 9457)."""

import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple, cast

import msgspec
import structlog
from msgspec import UNSET, UnsetType
from sanic import Request
from sanic import exceptions as sanic_errors
from sanic.handlers import ErrorHandler
from sanic.response import HTTPResponse, raw

from core.domain.errors import CursorExpired, InvalidInput, NotFound, Overloaded, SequenceUnknown, Unavailable
from web.bounded_request import body_limit
from web.context import HttpRequest
from web.events import EventIdsTaken
from web.json_body import FieldsRefused, MediaTypeRefused, ParametersRefused
from web.readiness import NotReady
from web.request_id import request_id_of

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2


class ProblemKind(NamedTuple):
    """A status and what callers may branch on: the last part of `type`, which never changes, and its title."""

    status: int
    name: str
    title: str

    @property
    def type(self) -> str:
        """The URI that names the kind."""
        return f"urn:threads-ml:problem:{self.name}"


FAULT = ProblemKind(500, "internal-error", "The service made a mistake")
GENERATION_FAILED = ProblemKind(500, "generation-failed", "The feed could not be generated")
KINDS: Mapping[type[BaseException], ProblemKind] = {
    InvalidInput: ProblemKind(400, "invalid-input", "The request breaks a rule"),
    EventIdsTaken: ProblemKind(409, "id-taken", "Another interaction has the id"),
    CursorExpired: ProblemKind(410, "cursor-expired", "The feed has been renewed since"),
    SequenceUnknown: ProblemKind(422, "sequence-unknown", "No interactions have this sequence yet"),
    MediaTypeRefused: ProblemKind(415, "unsupported-media-type", "The body must be JSON"),
    NotFound: ProblemKind(404, "not-found", "There is no such thing"),
    Unavailable: ProblemKind(503, "unavailable", "A server that is needed does not answer"),
    Overloaded: ProblemKind(503, "overloaded", "Too many feeds are waiting to be generated"),
    NotReady: ProblemKind(503, "not-ready", "This process takes no requests now"),
    sanic_errors.BadRequest: ProblemKind(400, "malformed-request", "The request is not HTTP as it should be"),
    sanic_errors.NotFound: ProblemKind(404, "no-such-path", "Nothing is served at this path"),
    sanic_errors.MethodNotAllowed: ProblemKind(405, "method-not-allowed", "This path takes other methods"),
    sanic_errors.RequestTimeout: ProblemKind(408, "request-timeout", "The request did not arrive in time"),
    sanic_errors.PayloadTooLarge: ProblemKind(413, "body-too-large", "The request is too large"),
    sanic_errors.ExpectationFailed: ProblemKind(417, "expectation-failed", "This expectation cannot be met"),
    sanic_errors.RequestCancelled: ProblemKind(499, "request-cancelled", "The caller has gone"),
    sanic_errors.ServiceUnavailable: ProblemKind(503, "unavailable", "The answer took too long"),
}


class FieldProblem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field that breaks its rule: a JSON pointer into the body, or the name of a parameter."""

    detail: str
    pointer: str | UnsetType = UNSET
    parameter: str | UnsetType = UNSET


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why there is no better answer; `request_id` finds the log lines."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | UnsetType = UNSET
    errors: list[FieldProblem] | UnsetType = UNSET


class ProblemAnswers(ErrorHandler):
    """Stands where Sanic looks for its error pages."""

    def default(self, request: Request, exception: Exception) -> HTTPResponse:
        """The answer to any error at all."""
        return _problem_answer(cast(HttpRequest, request), exception)


def kind_of(exception: BaseException) -> ProblemKind:
    """The kind of the nearest class in the table; Sanic's other errors keep their status."""
    for ancestor in type(exception).__mro__:
        if ancestor in KINDS:
            return KINDS[ancestor]
    status = getattr(exception, "status_code", 500) if isinstance(exception, sanic_errors.SanicException) else 500
    if status == FAULT.status:
        return FAULT
    return ProblemKind(status, f"http-{status}", HTTPStatus(status).phrase)


def _problem_answer(request: HttpRequest, exception: Exception) -> HTTPResponse:
    """What nobody expected is logged with its traceback."""
    kind = kind_of(exception)
    if kind is FAULT:
        structlog.get_logger().error("request_failed", path=request.path, exc_info=exception)
    problem = Problem(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        detail=_detail(request, exception, kind),
        request_id=request_id_of(request),
        errors=_field_problems(request, exception),
    )
    body = msgspec.json.encode(problem)
    return raw(body, kind.status, headers=_headers(exception, kind), content_type=MEDIA_TYPE)


def _detail(request: HttpRequest, exception: Exception, kind: ProblemKind) -> str:
    if isinstance(exception, Unavailable) and not isinstance(exception, NotReady | Overloaded):
        # The driver's own words name hosts and users: they are for the log.
        structlog.get_logger().warning("server_unavailable", path=request.path, reason=str(exception))
        return "a server that is needed does not answer: try again soon"
    if kind is not FAULT:
        if isinstance(exception, sanic_errors.PayloadTooLarge):
            return f"a request has at most {body_limit(request.path)} bytes of body and 8192 of headers"
        return str(exception)
    if request.app.ctx.settings.debug:
        return "".join(traceback.format_exception(exception))
    return "the log has more about it under this request id"


def _field_problems(request: HttpRequest, exception: Exception) -> list[FieldProblem] | UnsetType:
    if isinstance(exception, ParametersRefused):
        return [FieldProblem(error.detail, parameter=error.pointer.removeprefix("/")) for error in exception.errors]
    if isinstance(exception, FieldsRefused):
        return [_field_problem(request, error.pointer, error.detail) for error in exception.errors]
    if isinstance(exception, InvalidInput) and exception.pointer:
        return [_field_problem(request, exception.pointer, str(exception))]
    return UNSET


def _field_problem(request: HttpRequest, pointer: str, detail: str) -> FieldProblem:
    """Only these have a body to point into; elsewhere the same names are those of parameters."""
    if request.method in {"POST", "PUT"}:
        return FieldProblem(detail, pointer=pointer)
    return FieldProblem(detail, parameter=pointer.removeprefix("/"))


def _headers(exception: Exception, kind: ProblemKind) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if isinstance(exception, sanic_errors.SanicException):
        headers |= {name: str(value) for name, value in exception.headers.items()}
    if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(getattr(exception, "retry_after_seconds", RETRY_AFTER_SECONDS))
    return headers
