"""What the paths of the description refer to: schemas from the structs that check and write, the rest by hand."""

from typing import Any

import msgspec

from core.domain.backlog import LONGEST_RETRY_SECONDS
from core.domain.feed import FeedSource
from web.answers import JobBody, PageBody
from web.errors import GENERATION_FAILED, MEDIA_TYPE, Problem, ProblemKind
from web.events import RULES, EventBody, EventsBody, ReceiptBody
from web.openapi_examples import DEMO_POST, DEMO_USER, problem, problems_by_status
from web.post_requests import PostBody
from web.prefer import LONGEST_WAIT_SECONDS
from web.requests import CursorText, GenerateBody, Limit, RecordedPostId, UserId
from web.routes.posts import PostStateBody

Json = dict[str, Any]

# What a caller, or whatever stands between, may meet wherever it asks.
ANYWHERE = (400, 405, 408, 413, 417, 500, 503)
_OF_EVERY_ANSWER = ("X-Request-ID", "Server-Timing")
_MORE_HEADERS = {405: ("Allow",), 503: ("Retry-After",)}


def components(default_limit: int) -> Json:
    """All of them."""
    return {
        "schemas": _schemas(default_limit),
        "headers": _headers(),
        "parameters": _parameters(default_limit),
        "responses": {f"Problem{status}": _problem(kinds) for status, kinds in problems_by_status().items()},
    }


def ref(kind: str, name: str) -> Json:
    """A reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def answer(description: str, content: Json, headers: tuple[str, ...] = (), links: Json | None = None) -> Json:
    """A response with the headers that every one has, and these."""
    described: Json = {"description": description, "headers": _header_refs((*headers, *_OF_EVERY_ANSWER))}
    if content:
        described["content"] = content
    if links is not None:
        described["links"] = links
    return described


def _header_refs(names: tuple[str, ...]) -> Json:
    """Components are named like the headers; one that may be missing has `?` behind its name, and `Optional` there."""
    return {name.removesuffix("?"): ref("headers", name.replace("?", "-Optional")) for name in names}


def _schemas(default_limit: int) -> dict[str, Json]:
    _, made = msgspec.json.schema_components(
        [GenerateBody, PageBody, JobBody, PostBody, PostStateBody, EventBody, EventsBody, ReceiptBody, Problem],
        ref_template="#/components/schemas/{name}",
    )
    schemas: dict[str, Json] = msgspec.to_builtins(made)
    schemas["GenerateBody"]["properties"]["limit"]["default"] = default_limit
    schemas["GenerateBody"]["oneOf"] = [{"required": ["user_id"]}, {"required": ["recent_post_ids"]}]
    schemas["JobBody"]["properties"]["ticket"]["format"] = "uuid"
    schemas["JobBody"]["properties"]["location"]["format"] = "uri-reference"
    schemas["JobBody"]["properties"]["expires_at"]["format"] = "date-time"
    schemas["PageBody"]["properties"]["built_up_to"]["format"] = "date-time"
    schemas["PostStateBody"]["properties"]["expires_at"]["format"] = "date-time"
    _describe_events(schemas)
    general = schemas.pop("Problem")
    schemas["GenerationProblem"] = _problem_schema("GenerationProblem", general, [GENERATION_FAILED])
    schemas["JobBody"]["properties"]["problem"] = ref("schemas", "GenerationProblem")
    for status, kinds in problems_by_status().items():
        name = f"Problem{status}"
        schemas[name] = _problem_schema(name, general, kinds)
    return schemas


def _describe_events(schemas: dict[str, Json]) -> None:
    """What is read later, or more leniently, than by its type."""
    schemas["EventBody"]["properties"]["metadata"] = {"type": "object", "description": RULES["metadata"]}
    schemas["EventBody"]["properties"]["created_at"]["description"] = RULES["created_at"]
    schemas["EventsBody"]["properties"]["events"]["items"] = ref("schemas", "EventBody")


def _problem_schema(title: str, general: Json, kinds: list[ProblemKind]) -> Json:
    """One schema a status, so that clients know which types to expect."""
    properties = general["properties"] | {
        "type": {"type": "string", "enum": [kind.type for kind in kinds]},
        "status": {"type": "integer", "enum": [kinds[0].status]},
    }
    return general | {"title": title, "properties": properties}


def _parameters(default_limit: int) -> dict[str, Json]:
    path: Json = {"in": "path", "required": True}
    query: Json = {"in": "query", "required": False}
    header: Json = {"in": "header", "required": False, "schema": {"type": "string"}}
    wait = f"`wait=N` (seconds, 0 to {LONGEST_WAIT_SECONDS}; more counts as {LONGEST_WAIT_SECONDS})"
    return {
        "UserId": path | {"name": "user_id", "schema": msgspec.json.schema(UserId), "example": DEMO_USER},
        "Ticket": path
        | {
            "name": "ticket",
            "description": "from a 202; links lead there",
            "schema": {"type": "string", "format": "uuid"},
        },
        "PostId": path | {"name": "post_id", "schema": msgspec.json.schema(RecordedPostId), "example": DEMO_POST},
        "Limit": query | {"name": "limit", "schema": msgspec.json.schema(Limit) | {"default": default_limit}},
        "Cursor": query | {"name": "cursor", "schema": msgspec.json.schema(CursorText)},
        "Prefer": header
        | {
            "name": "Prefer",
            "description": (
                f"RFC 7240: {wait}, `respond-async` (do not wait), `fallback` (rather popular posts than a 202). "
                "Others are ignored."
            ),
            "examples": {
                "wait": {"value": "wait=5"},
                "ticket": {"value": "respond-async"},
                "rather popular": {"value": "wait=1, fallback"},
            },
        },
        "PreferWait": header
        | {
            "name": "Prefer",
            "description": f"RFC 7240: {wait}: answer when the job is over, or then. Without it: at once.",
            "examples": {"wait": {"value": "wait=1"}},
        },
        "IfNoneMatch": header | {"name": "If-None-Match", "description": "the ETag of an answer kept"},
        "RequestId": header
        | {
            "name": "X-Request-ID",
            "description": "1 to 128 visible ASCII characters, repeated in the answer and in every log line; "
            "anything else is replaced",
        },
    }


def _headers() -> dict[str, Json]:
    texts = {
        "ETag": "weak: epoch and generation of the feed",
        "Cache-Control": "how long the answer may be kept",
        "Location": "where the job is found",
        "Preference-Applied": "which preferences the answer follows, where it follows any",
        "Allow": "the methods of this path",
        "X-Request-ID": "the request's id, the caller's own or one made for it",
        "Server-Timing": (
            "milliseconds: `app` of all of it; `cache` to find the feed, or `queue` and `compute` to have it made"
        ),
    }
    sources = {"type": "string", "enum": [source.value for source in FeedSource]}
    seconds = {"type": "integer", "minimum": 1, "maximum": LONGEST_RETRY_SECONDS}
    always = {
        **{name: {"description": text, "schema": {"type": "string"}} for name, text in texts.items()},
        "Feed-Source": {"description": "where the answer comes from", "schema": sources},
        "Retry-After": {
            "description": "seconds, by what waits to be generated and how fast that goes",
            "schema": seconds,
        },
    }
    sometimes = ("Preference-Applied", "Retry-After")
    return {
        **{name: header | {"required": True} for name, header in always.items() if name != "Preference-Applied"},
        **{f"{name}-Optional": always[name] for name in sometimes},
    }


def _problem(kinds: list[ProblemKind]) -> Json:
    """The response of a status, with an example of each kind of problem that has it."""
    status = kinds[0].status
    names = ("Cache-Control", *_MORE_HEADERS.get(status, ()), *_OF_EVERY_ANSWER)
    examples = {kind.name: {"value": problem(kind)} for kind in kinds}
    return {
        "description": " or ".join(f"{kind.title} ({kind.name})" for kind in kinds),
        "headers": _header_refs(names),
        "content": {MEDIA_TYPE: {"schema": ref("schemas", f"Problem{status}"), "examples": examples}},
    }
