"""The API's description, OpenAPI 3.1: what is served at each path."""

from typing import Any

from core.domain.event import EVENTS_AT_MOST
from web.json_body import MAX_BODY_BYTES, MAX_EVENTS_BYTES
from web.openapi_components import ANYWHERE, answer, components, ref
from web.openapi_examples import EVENTS, PAGES, POST_BODIES, POSTS, RECEIPTS, REQUESTS, TICKETS, jobs
from web.request_head import GENERATE_PATH

Json = dict[str, Any]

_PAGE_HEADERS = ("ETag", "Cache-Control", "Feed-Source")


def openapi_document(title: str = "threads-ml-service", version: str = "0.1.0", default_limit: int = 50) -> Json:
    """The whole description; `default_limit` is what a request without `limit` gets."""
    parts = components(default_limit)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "description": "Which posts next? Recommendations for the users of an app with a feed.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "where this description is"}],
        "tags": [
            {"name": "recommendations", "description": "Lists of posts, and the jobs that make them"},
            {"name": "posts", "description": "Posts that must not be served, or not for ever"},
            {"name": "interactions", "description": "What users did with posts"},
            {"name": "operation", "description": "How the process stands, and this description"},
        ],
        "paths": {
            path: _with_head(operations, parts["responses"]) for path, operations in _paths(default_limit).items()
        },
        "components": parts,
    }


def _paths(default_limit: int) -> dict[str, Json]:
    return {
        GENERATE_PATH: {"post": _generate(default_limit), "get": _show_feed_of_generate()},
        "/recommendations/{user_id}": {"get": _show_feed()},
        "/recommendations/jobs/{ticket}": {"get": _show_job()},
        "/posts/{post_id}": {"put": _put_post(), "get": _show_post()},
        "/interactions": {"post": _record()},
        "/health": {"get": _show_health()},
        "/ready": {"get": _show_readiness()},
        "/openapi.json": {"get": _show_openapi()},
        "/docs": {"get": _show_docs()},
    }


def _with_head(operations: Json, problems: Json) -> Json:
    """HEAD answers like GET, without the body."""
    if "get" not in operations:
        return operations
    get = operations["get"]
    responses = {
        status: _without_body(problems[f"Problem{status}"] if "$ref" in response else response)
        for status, response in get["responses"].items()
    }
    name = get["operationId"].removeprefix("get")
    head = get | {"operationId": f"head{name}", "summary": f"{get['summary']}: headers only", "responses": responses}
    return operations | {"head": head}


def _without_body(response: Json) -> Json:
    return {name: part for name, part in response.items() if name not in {"content", "links"}}


def _generate(default_limit: int) -> Json:
    return {
        "operationId": "generateRecommendations",
        "tags": ["recommendations"],
        "summary": "A user's next posts",
        "description": (
            "The stored feed where it is fresh; else one is generated while the caller waits. Out of patience the "
            "answer is a stale feed if there is one, else 202 with a ticket. A user nobody knows gets popular posts. "
            "With `min_seq`, from the answer to a POST of interactions, the list knows of these: it is waited for, and "
            "out of patience the answer is 202; of a next page it says nothing. Posts just seen are left out at once. "
            "With `recent_post_ids` instead of a user the list is made of these posts alone, and kept for minutes: "
            "`user_id` of the answer is the session's, for next pages. While Postgres is away a missing feed is made "
            "of what the model knows (`provisional`), else popular. "
            f"Without `limit` a page holds {default_limit} posts; a body has at most {MAX_BODY_BYTES} bytes."
        ),
        "parameters": [ref("parameters", "Prefer"), ref("parameters", "RequestId")],
        "requestBody": {"required": True, "content": _json_content("GenerateBody", REQUESTS)},
        "responses": {
            "200": answer(
                "A page of recommendations, best first",
                _json_content("PageBody", PAGES),
                (*_PAGE_HEADERS, "Preference-Applied?"),
                links={"nextPage": _link_to_next_page("/"), "storedFeed": _link_to_feed("$response.body#/user_id")},
            ),
            "202": answer(
                "Not in time: come back to `Location`",
                _json_content("JobBody", TICKETS),
                ("Location", "Retry-After", "Cache-Control", "Preference-Applied?"),
                links={"job": _link_to_job("$response.body#/ticket")},
            ),
            **_problem_refs(410, 415, 422),
        },
    }


def _show_feed() -> Json:
    return {
        "operationId": "getRecommendations",
        "tags": ["recommendations"],
        "summary": "A user's stored feed",
        "description": "As it is stored, stale and provisional ones marked. Never generates one.",
        "parameters": [ref("parameters", "UserId"), *_of_a_stored_page()],
        "responses": _stored_page(_link_to_feed("$request.path.user_id", cursor="$response.body#/next_cursor")),
    }


def _show_feed_of_generate() -> Json:
    """Such a user may exist, and is not to be hidden by the other method of the path."""
    return {
        "operationId": "getRecommendationsOfGenerate",
        "tags": ["recommendations"],
        "summary": "The stored feed of a user who is called generate",
        "description": "The same as for any other user.",
        "parameters": _of_a_stored_page(),
        "responses": _stored_page(
            {
                "operationId": "getRecommendationsOfGenerate",
                "parameters": {"query.cursor": "$response.body#/next_cursor"},
            }
        ),
    }


def _of_a_stored_page() -> list[Json]:
    return [ref("parameters", name) for name in ("Limit", "Cursor", "IfNoneMatch", "RequestId")]


def _stored_page(next_page: Json) -> Json:
    return {
        "200": answer(
            "A page of the stored feed, best first",
            _json_content("PageBody", PAGES),
            _PAGE_HEADERS,
            links={"nextPage": next_page},
        ),
        "304": answer("The caller has this feed already", {}, _PAGE_HEADERS),
        **_problem_refs(404, 410),
    }


def _show_job() -> Json:
    return {
        "operationId": "getJob",
        "tags": ["recommendations"],
        "summary": "How the job behind a ticket stands",
        "description": (
            "`result` is exactly what the POST would have answered, with that request's limit and exclusions. A failed "
            "job answers 200 too, with a `problem`. `Retry-After` is there while the job is queued or running."
        ),
        "parameters": [ref("parameters", "Ticket"), ref("parameters", "PreferWait"), ref("parameters", "RequestId")],
        "responses": {
            "200": answer(
                "The job, in whatever state",
                _json_content("JobBody", jobs()),
                ("Retry-After?", "Cache-Control", "Preference-Applied?"),
                links={"again": _link_to_job("$request.path.ticket"), "nextPage": _link_to_next_page("/result/")},
            ),
            **_problem_refs(404),
        },
    }


def _put_post() -> Json:
    return {
        "operationId": "putPost",
        "tags": ["posts"],
        "summary": "Hide a post, let it expire, or show it again",
        "description": (
            "Replaces what was said of the post. From the answer on this process serves a hidden or expired post from "
            "no source any more, every other process within a second; new lists leave it out. Posts of which nothing "
            "is said are served. Said twice it is the same."
        ),
        "parameters": [ref("parameters", "PostId"), ref("parameters", "RequestId")],
        "requestBody": {"required": True, "content": _json_content("PostBody", POST_BODIES)},
        "responses": {
            "200": answer(
                "What is said of it now",
                _json_content("PostStateBody", POSTS),
                ("Cache-Control",),
                links={"post": {"operationId": "getPost", "parameters": {"path.post_id": "$request.path.post_id"}}},
            ),
            **_problem_refs(415),
        },
    }


def _show_post() -> Json:
    return {
        "operationId": "getPost",
        "tags": ["posts"],
        "summary": "What was said of a post",
        "description": "404 where nothing ever was: such a post is served.",
        "parameters": [ref("parameters", "PostId"), ref("parameters", "RequestId")],
        "responses": {
            "200": answer("What was said last", _json_content("PostStateBody", POSTS), ("Cache-Control",)),
            **_problem_refs(404),
        },
    }


def _record() -> Json:
    schema = {"oneOf": [ref("schemas", "EventBody"), ref("schemas", "EventsBody")]}
    return {
        "operationId": "recordInteractions",
        "tags": ["interactions"],
        "summary": "Record what users did",
        "description": (
            f"One event, or up to {EVENTS_AT_MOST:,}; a body has at most {MAX_EVENTS_BYTES} bytes. Written in one "
            "transaction, and told again under the same ids harmless. Events that break a rule are told of by their "
            "place, the others recorded, unless `all_or_nothing`; where none is recorded the answer is 400, or 409 "
            "where nothing is wrong but that other interactions have the ids. Times before 1970, or more than a day "
            "ahead, break a rule; a time that is less ahead counts as now. Pages may send the same as text/plain, "
            "which is all that `navigator.sendBeacon` can send to another host unasked."
        ),
        "parameters": [ref("parameters", "RequestId")],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "examples": EVENTS}}},
        "responses": {
            "202": answer("Recorded", _json_content("ReceiptBody", RECEIPTS), ("Cache-Control",)),
            **_problem_refs(409, 415),
        },
    }


def _show_health() -> Json:
    properties = {"status": {"const": "healthy"}, "service": {"type": "string"}}
    content = _inline_content("Health", properties, {"status": "healthy", "service": "threads-ml-service"})
    return {
        "operationId": "getHealth",
        "tags": ["operation"],
        "summary": "Whether the process lives",
        "responses": {"200": answer("It does", content), **_problem_refs()},
    }


def _show_readiness() -> Json:
    properties = {"status": {"const": "ready"}, "degraded": {"type": "array", "items": {"type": "string"}}}
    content = _inline_content("Readiness", properties, {"status": "ready", "degraded": ["workers: none alive"]})
    return {
        "operationId": "getReadiness",
        "tags": ["operation"],
        "summary": "Whether the process wants requests, and what it does without",
        "responses": {"200": answer("It does", content, ("Cache-Control",)), **_problem_refs()},
    }


def _show_openapi() -> Json:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": "getDescription",
        "tags": ["operation"],
        "summary": "This description",
        "responses": {"200": answer("OpenAPI 3.1", content, ("Cache-Control",)), **_problem_refs()},
    }


def _show_docs() -> Json:
    content = {"text/html": {"schema": {"type": "string"}}}
    return {
        "operationId": "getDocumentation",
        "tags": ["operation"],
        "summary": "This description as a page that loads nothing from outside",
        "responses": {"200": answer("A page", content, ("Cache-Control",)), **_problem_refs()},
    }


def _problem_refs(*statuses: int) -> dict[str, Json]:
    return {str(status): ref("responses", f"Problem{status}") for status in sorted({*statuses, *ANYWHERE})}


def _link_to_job(ticket: str) -> Json:
    return {"operationId": "getJob", "parameters": {"path.ticket": ticket}}


def _link_to_feed(user_id: str, cursor: str | None = None) -> Json:
    parameters = {"path.user_id": user_id} | ({"query.cursor": cursor} if cursor else {})
    return {"operationId": "getRecommendations", "parameters": parameters}


def _link_to_next_page(page: str) -> Json:
    """With the exclusions of the first request, which the caller adds."""
    body = {
        name: f"$response.body#{page}{part}" for name, part in {"user_id": "user_id", "cursor": "next_cursor"}.items()
    }
    return {"operationId": "generateRecommendations", "requestBody": body}


def _json_content(schema: str, examples: Json) -> Json:
    return {"application/json": {"schema": ref("schemas", schema), "examples": examples}}


def _inline_content(title: str, properties: Json, example: Json) -> Json:
    schema = {"title": title, "type": "object", "properties": properties, "required": list(properties)}
    return {"application/json": {"schema": schema, "examples": {title.lower(): {"value": example}}}}
