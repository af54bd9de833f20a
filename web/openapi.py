"""The API's description, OpenAPI 3.1: schemas from the structs that check and write, the rest by hand."""

from typing import Any

import msgspec

from core.domain.feed import FeedSource
from web.answers import JobBody, PageBody
from web.errors import FAULT, GENERATION_FAILED, KINDS, MEDIA_TYPE, Problem, ProblemKind
from web.prefer import LONGEST_WAIT_SECONDS
from web.requests import MAX_BODY_BYTES, CursorText, GenerateBody, Limit, UserId

Json = dict[str, Any]

_DEMO_USER = "027baf23-101f-48d2-b7d1-4a23e6cf8e4a"
_DEMO_TICKET = "6f0c2f6e-7d5b-4d3c-9c55-0f3ad7a1c1de"
_REQUEST_EXAMPLE = {"user_id": _DEMO_USER, "limit": 50, "exclude_post_ids": ["post-id-1", "post-id-2"]}
_PAGE_EXAMPLE = {
    "user_id": _DEMO_USER,
    "recommendations": [
        {"post_id": "0c0e6a4e-54a4-4d0f-8f3c-0f9a1c0a7a11", "score": 1.0, "reason": "collaborative_filtering"},
        {"post_id": "9a41d2f0-2a6e-4a39-9d0c-6f1f3b7f7c52", "score": 0.85, "reason": "collaborative_filtering"},
    ],
    "count": 2,
    "model_version": "collaborative_filtering_v1",
    "next_cursor": "AAAAAAAAAAEAAAAAAAAAKgACx3h4b1Qp",
}
_JOB_EXAMPLE = {
    "ticket": _DEMO_TICKET,
    "state": "queued",
    "location": f"/recommendations/jobs/{_DEMO_TICKET}",
    "expires_at": "2026-11-23T13:00:00Z",
}


def openapi_document(title: str = "threads-ml-service", version: str = "0.1.0", default_limit: int = 50) -> Json:
    """The whole description; `default_limit` is what a request without `limit` gets."""
    schemas = _schemas()
    schemas["GenerateBody"]["properties"]["limit"]["default"] = default_limit
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "description": "Which posts next? Recommendations for the users of an app with a feed.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": _paths(default_limit),
        "components": {
            "schemas": schemas,
            "headers": _headers(),
            "parameters": _parameters(default_limit),
            "responses": _problems(),
        },
    }


def _schemas() -> dict[str, Json]:
    _, schemas = msgspec.json.schema_components(
        [GenerateBody, PageBody, JobBody, Problem], ref_template="#/components/schemas/{name}"
    )
    described: dict[str, Json] = msgspec.to_builtins(schemas)
    kinds = {kind.type for kind in (*KINDS.values(), FAULT, GENERATION_FAILED)}
    described["Problem"]["properties"]["type"]["examples"] = sorted(kinds)
    return described


def _paths(default_limit: int) -> dict[str, Json]:
    return {
        "/recommendations/generate": {"post": _generate(default_limit)},
        "/recommendations/{user_id}": {"get": _show_feed()},
        "/recommendations/jobs/{ticket}": {"get": _show_job()},
        "/health": {"get": _show_health()},
        "/ready": {"get": _show_readiness()},
        "/openapi.json": {"get": _show_openapi()},
        "/docs": {"get": _show_docs()},
    }


def _generate(default_limit: int) -> Json:
    body = _json_content("GenerateBody", _REQUEST_EXAMPLE)
    return {
        "operationId": "generateRecommendations",
        "tags": ["recommendations"],
        "summary": "A user's next posts",
        "description": (
            "The stored feed where it is fresh; else one is generated while the caller waits. Out of patience the "
            "answer is a stale feed if there is one, else 202 with a ticket. A user nobody knows gets popular posts. "
            "While Postgres is away a missing feed is made of what the model knows (`provisional`), else popular. "
            f"Without `limit` a page holds {default_limit} posts; a body has at most {MAX_BODY_BYTES} bytes."
        ),
        "parameters": [_ref("parameters", "Prefer"), _ref("parameters", "RequestId")],
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": _answer(
                "A page of recommendations, best first",
                _json_content("PageBody", _PAGE_EXAMPLE),
                ("ETag", "Cache-Control", "Feed-Source", "Preference-Applied"),
            ),
            "202": _answer(
                "Not in time: come back to `Location`",
                _json_content("JobBody", _JOB_EXAMPLE),
                ("Location", "Retry-After", "Cache-Control", "Preference-Applied"),
                links=_link_to_job(),
            ),
            **_problem_refs(400, 410, 413, 415, 500, 503),
        },
    }


def _show_feed() -> Json:
    return {
        "operationId": "getRecommendations",
        "tags": ["recommendations"],
        "summary": "A user's stored feed",
        "description": "As it is stored, stale and provisional ones marked. Never generates one.",
        "parameters": [
            _ref("parameters", "UserId"),
            _ref("parameters", "Limit"),
            _ref("parameters", "Cursor"),
            _ref("parameters", "IfNoneMatch"),
            _ref("parameters", "RequestId"),
        ],
        "responses": {
            "200": _answer(
                "A page of the stored feed, best first",
                _json_content("PageBody", _PAGE_EXAMPLE),
                ("ETag", "Cache-Control", "Feed-Source"),
            ),
            "304": _answer("The caller has this feed already", {}, ("ETag", "Cache-Control", "Feed-Source")),
            **_problem_refs(400, 404, 410, 500, 503),
        },
    }


def _show_job() -> Json:
    return {
        "operationId": "getJob",
        "tags": ["recommendations"],
        "summary": "How the job behind a ticket stands",
        "description": (
            "`result` is exactly what the POST would have answered, with that request's limit and exclusions. A failed "
            "job answers 200 too, with a `problem`."
        ),
        "parameters": [_ref("parameters", "Ticket"), _ref("parameters", "RequestId")],
        "responses": {
            "200": _answer(
                "The job, in whatever state",
                _json_content("JobBody", _JOB_EXAMPLE | {"state": "succeeded", "result": _PAGE_EXAMPLE}),
                ("Retry-After", "Cache-Control"),
            ),
            **_problem_refs(404, 500, 503),
        },
    }


def _show_health() -> Json:
    properties = {"status": {"const": "healthy"}, "service": {"type": "string"}}
    content = _inline_content(properties, {"status": "healthy", "service": "threads-ml-service"})
    return {
        "operationId": "getHealth",
        "tags": ["operation"],
        "summary": "Whether the process lives",
        "responses": {"200": _answer("It does", content), **_problem_refs(500)},
    }


def _show_readiness() -> Json:
    properties = {"status": {"const": "ready"}, "degraded": {"type": "array", "items": {"type": "string"}}}
    content = _inline_content(properties, {"status": "ready", "degraded": ["workers: none alive"]})
    return {
        "operationId": "getReadiness",
        "tags": ["operation"],
        "summary": "Whether the process wants requests, and what it does without",
        "responses": {"200": _answer("It does", content, ("Cache-Control",)), **_problem_refs(500, 503)},
    }


def _show_openapi() -> Json:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": "getDescription",
        "tags": ["operation"],
        "summary": "This description",
        "responses": {"200": _answer("OpenAPI 3.1", content, ("Cache-Control",)), **_problem_refs(500)},
    }


def _show_docs() -> Json:
    content = {"text/html": {"schema": {"type": "string"}}}
    return {
        "operationId": "getDocumentation",
        "tags": ["operation"],
        "summary": "This description as a page that loads nothing from outside",
        "responses": {"200": _answer("A page", content, ("Cache-Control",)), **_problem_refs(500)},
    }


def _parameters(default_limit: int) -> dict[str, Json]:
    query: Json = {"in": "query", "required": False}
    header: Json = {"in": "header", "required": False, "schema": {"type": "string"}}
    return {
        "UserId": {"name": "user_id", "in": "path", "required": True, "schema": msgspec.json.schema(UserId)},
        "Ticket": {
            "name": "ticket",
            "in": "path",
            "required": True,
            "description": "from a 202; links lead there",
            "schema": {"type": "string", "format": "uuid"},
        },
        "Limit": query | {"name": "limit", "schema": msgspec.json.schema(Limit) | {"default": default_limit}},
        "Cursor": query | {"name": "cursor", "schema": msgspec.json.schema(CursorText)},
        "Prefer": header
        | {
            "name": "Prefer",
            "description": (
                f"RFC 7240: `wait=N` (seconds, 0 to {LONGEST_WAIT_SECONDS}; more counts as {LONGEST_WAIT_SECONDS}), "
                "`respond-async` (do not wait), `fallback` (rather popular posts than a 202). Others are ignored."
            ),
            "examples": {"wait": {"value": "wait=5"}, "both": {"value": "respond-async, fallback"}},
        },
        "IfNoneMatch": header | {"name": "If-None-Match", "description": "the ETag of an answer kept"},
        "RequestId": header
        | {
            "name": "X-Request-ID",
            "description": "1 to 128 visible ASCII characters, repeated in the answer and in every log line",
        },
    }


def _headers() -> dict[str, Json]:
    texts = {
        "ETag": "weak: epoch and generation of the feed",
        "Cache-Control": "how long the answer may be kept",
        "Location": "where the job is found",
        "Preference-Applied": "which preferences the answer follows",
        "Allow": "the methods of this path",
        "X-Request-ID": "the request's id, the caller's own or one made for it",
        "Server-Timing": "`app`: milliseconds spent on the request",
    }
    sources = {"type": "string", "enum": [source.value for source in FeedSource]}
    return {
        **{name: {"description": text, "schema": {"type": "string"}} for name, text in texts.items()},
        "Feed-Source": {"description": "where the answer comes from", "schema": sources},
        "Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 1}},
    }


def _problems() -> dict[str, Json]:
    """One response a status, with an example of each kind of problem that has it."""
    by_status: dict[int, list[ProblemKind]] = {}
    for kind in (*KINDS.values(), FAULT):
        by_status.setdefault(kind.status, []).append(kind)
    return {f"Problem{status}": _problem(kinds) for status, kinds in by_status.items()}


def _problem(kinds: list[ProblemKind]) -> Json:
    examples = {
        kind.name: {"value": {"type": kind.type, "title": kind.title, "status": kind.status, "detail": "…"}}
        for kind in kinds
    }
    content = {MEDIA_TYPE: {"schema": _ref("schemas", "Problem"), "examples": examples}}
    names = {503: ("Retry-After",), 405: ("Allow",)}.get(kinds[0].status, ())
    return _answer(" or ".join(f"{kind.title} ({kind.name})" for kind in kinds), content, ("Cache-Control", *names))


def _problem_refs(*statuses: int) -> dict[str, Json]:
    return {str(status): _ref("responses", f"Problem{status}") for status in statuses}


def _answer(description: str, content: Json, headers: tuple[str, ...] = (), links: Json | None = None) -> Json:
    names = (*headers, "X-Request-ID", "Server-Timing")
    answer: Json = {"description": description, "headers": {name: _ref("headers", name) for name in names}}
    if content:
        answer["content"] = content
    if links is not None:
        answer["links"] = links
    return answer


def _link_to_job() -> Json:
    return {"job": {"operationId": "getJob", "parameters": {"ticket": "$response.body#/ticket"}}}


def _json_content(schema: str, example: Json) -> Json:
    return {"application/json": {"schema": _ref("schemas", schema), "example": example}}


def _inline_content(properties: Json, example: Json) -> Json:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"application/json": {"schema": schema, "example": example}}


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}
