"""Answers as they look, for the description."""

from typing import Any

from web.errors import FAULT, GENERATION_FAILED, KINDS, ProblemKind

Json = dict[str, Any]

DEMO_USER = "027baf23-101f-48d2-b7d1-4a23e6cf8e4a"
DEMO_POST = "5c9b4c7e-8f4a-4b7e-9a39-2f6f0d3c1b18"
_TICKET = "6f0c2f6e-7d5b-4d3c-9c55-0f3ad7a1c1de"
_DETAILS = {
    "invalid-input": "/limit must be a whole number from 1 to 100",
    "cursor-expired": "the feed has been renewed since this cursor was given: ask again without it",
    "sequence-unknown": "no interactions have the sequence 1028 yet: the last one is 1027",
    "not-found": "no feed is stored for this user",
    "overloaded": "more feeds are waiting to be generated than there may be: come back, or take popular posts",
    "not-ready": "the process is draining: send requests elsewhere",
    "internal-error": "the log has more about it under this request id",
    "generation-failed": "a server that is needed did not answer",
}

REQUEST: Json = {"user_id": DEMO_USER, "limit": 50, "exclude_post_ids": ["post-id-1", "post-id-2"]}
REQUESTS: Json = {
    "demo": {"value": REQUEST},
    "after writing": {"value": {"user_id": DEMO_USER, "min_seq": 0}},
    "session": {"value": {"recent_post_ids": [DEMO_POST, "post-id-3"]}},
}
_PAGE: Json = {
    "user_id": DEMO_USER,
    "recommendations": [
        {"post_id": "0c0e6a4e-54a4-4d0f-8f3c-0f9a1c0a7a11", "score": 1.0, "reason": "collaborative_filtering"},
        {"post_id": "9a41d2f0-2a6e-4a39-9d0c-6f1f3b7f7c52", "score": 0.85, "reason": "collaborative_filtering"},
    ],
    "count": 2,
    "model_version": "collaborative_filtering_v1",
    "next_cursor": "AAAAAAAAAAEAAAAAAAAAKgACx3h4b1Qp",
    "sequence": 1027,
    "built_up_to": "2026-11-23T11:59:58.250000Z",
}
_POPULAR: Json = {
    "user_id": "somebody new",
    "recommendations": [{"post_id": "post-id-3", "score": 1.0, "reason": "popular"}],
    "count": 1,
    "model_version": "popular",
}
_JOB: Json = {
    "ticket": _TICKET,
    "state": "queued",
    "location": f"/recommendations/jobs/{_TICKET}",
    "expires_at": "2026-11-23T13:00:00Z",
}

_EVENT: Json = {
    "id": "5b3c9f0e-8f53-4f0e-9a55-0d7f4a1d2c11",
    "user_id": DEMO_USER,
    "post_id": "post-id-1",
    "interaction_type": "like",
    "created_at": "2026-11-23T12:00:00Z",
}
EVENTS: Json = {
    "one": {"value": _EVENT},
    "many": {"value": {"events": [_EVENT, {"user_id": "anna", "post_id": "post-id-2", "interaction_type": "view"}]}},
}
_RECEIPT: Json = {"sequence": 1234, "accepted": 2, "repeated": 0, "refused": 0}
_UNKNOWN_TYPE: Json = {
    "index": 2,
    "pointer": "/events/2/interaction_type",
    "detail": "must be one of view, click, like, share (invalid enum value 'poke')",
}
RECEIPTS: Json = {
    "all": {"value": _RECEIPT},
    "all but one": {"value": _RECEIPT | {"refused": 1, "errors": [_UNKNOWN_TYPE]}},
}

PAGES: Json = {
    "fresh": {"value": _PAGE},
    "stale": {"value": _PAGE | {"stale": True}},
    "popular": {"value": _POPULAR},
}
POST_BODIES: Json = {
    "hidden": {"value": {"hidden": True}},
    "expiring": {"value": {"expires_at": "2026-12-31T23:00:00Z"}},
    "shown again": {"value": {}},
}
POSTS: Json = {
    "hidden": {"value": {"post_id": DEMO_POST, "hidden": True}},
    "expiring": {"value": {"post_id": DEMO_POST, "hidden": False, "expires_at": "2026-12-31T23:00:00Z"}},
}
TICKETS: Json = {"queued": {"value": _JOB}}


def jobs() -> Json:
    """A job in each of its states."""
    failed = {"state": "failed", "problem": problem(GENERATION_FAILED)}
    return {
        "queued": {"value": _JOB},
        "running": {"value": _JOB | {"state": "running"}},
        "succeeded": {"value": _JOB | {"state": "succeeded", "result": _PAGE}},
        "failed": {"value": _JOB | failed},
        "expired": {"value": _JOB | {"state": "expired"}},
    }


def problems_by_status() -> dict[int, list[ProblemKind]]:
    """The kinds of problem that are answers, by their status; 499 is an answer that nobody is there to read."""
    kinds: dict[int, list[ProblemKind]] = {}
    for kind in (*dict.fromkeys(KINDS.values()), FAULT):
        if kind.status != 499:
            same_status = kinds.setdefault(kind.status, [])
            if all(kind.name != other.name for other in same_status):
                same_status.append(kind)
    return kinds


def problem(kind: ProblemKind) -> Json:
    """A problem of the kind."""
    detail = _DETAILS.get(kind.name, kind.title)
    told: Json = {"type": kind.type, "title": kind.title, "status": kind.status, "detail": detail}
    if kind.name == "invalid-input":
        told["errors"] = [{"detail": "must be a whole number from 1 to 100", "pointer": "/limit"}]
    return told
