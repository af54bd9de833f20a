"""How pages, tickets and jobs look on the wire."""

import re
from datetime import datetime
from typing import Annotated, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sanic.response import HTTPResponse

from core.application.job_report import JobReport
from core.domain.feed import FeedSource
from core.domain.job import JobState
from core.domain.page import FeedPage
from core.infrastructure.page_rendering import (
    RecommendationBody,
    RenderedStart,
    recommendation_bodies,
    render_start,
)
from web.accepted_encoding import accepts_gzip
from web.cursor import write_cursor
from web.errors import GENERATION_FAILED, Problem
from web.plain_response import PlainResponse

MAX_AGE_SECONDS = 60
_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')


class PageBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """Recommendations, best first; `next_cursor` is there when more are left, `stale` when the feed has expired.

    `provisional`: made without the user's latest history, which could not be read; a better one follows.
    `sequence`: the number of the user's latest change that the feed knows of, 0 where none was told; `built_up_to`: the
    moment of the newest interaction that it knows of. Popular posts have neither.
    """

    recommendations: list[RecommendationBody]
    count: int
    model_version: str
    user_id: str
    next_cursor: str | UnsetType = UNSET
    stale: bool | UnsetType = UNSET
    provisional: bool | UnsetType = UNSET
    sequence: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    built_up_to: datetime | UnsetType = UNSET


class _Ending(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fields of a page that differ from caller to caller: they stand at its end."""

    user_id: str
    next_cursor: str | UnsetType
    stale: bool | UnsetType
    provisional: bool | UnsetType
    sequence: int | UnsetType
    built_up_to: datetime | UnsetType


class JobBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a job stands; `result` is what the POST would have answered, `problem` why there is none."""

    ticket: str
    state: JobState
    location: str
    expires_at: datetime
    result: PageBody | UnsetType = UNSET
    problem: Problem | UnsetType = UNSET


class Header:
    """The headers of the service's own answers; texts, as each answer has a dict of them."""

    CACHE_CONTROL = "Cache-Control"
    CONTENT_ENCODING = "Content-Encoding"
    ETAG = "ETag"
    FEED_SOURCE = "Feed-Source"
    LOCATION = "Location"
    PREFERENCE_APPLIED = "Preference-Applied"
    RETRY_AFTER = "Retry-After"
    VARY = "Vary"


def page_answer(page: FeedPage, now: datetime, accept_encoding: str = "", applied: str = "") -> HTTPResponse:
    """200 with the page; `applied` is the value of Preference-Applied, if any."""
    return _answer_of(*page_head_and_body(page, now, accept_encoding, applied))


def page_head_and_body(
    page: FeedPage, now: datetime, accept_encoding: str = "", applied: str = ""
) -> tuple[dict[str, str], bytes]:
    """The same as header fields and bytes."""
    headers = page_headers(page, now)
    if applied:
        headers[Header.PREFERENCE_APPLIED] = applied
    return headers, _page(page, headers, accept_encoding)


def page_or_not_modified(
    page: FeedPage, now: datetime, accept_encoding: str = "", if_none_match: str = ""
) -> HTTPResponse:
    """304 when the caller has this very feed already."""
    headers = page_headers(page, now)
    if if_none_match and _names(if_none_match, headers[Header.ETAG]):
        return HTTPResponse(status=304, headers=headers)
    return _answer_of(headers, _page(page, headers, accept_encoding))


def ticket_answer(report: JobReport, applied: str = "") -> HTTPResponse:
    """202: come back to Location with the ticket."""
    job = _job_body(report)
    return json_answer(job, 202, _headers_of_job(report, applied) | {Header.LOCATION: job.location})


def job_answer(report: JobReport, applied: str = "") -> HTTPResponse:
    """200 in every state: the job's failure is no failure of the question."""
    return json_answer(_job_body(report), 200, _headers_of_job(report, applied))


def json_answer(body: msgspec.Struct, status: int, headers: dict[str, str]) -> HTTPResponse:
    """Any body that is made for this answer alone."""
    return PlainResponse(msgspec.json.encode(body), status, headers=headers, content_type="application/json")


def page_body(page: FeedPage) -> PageBody:
    """The page as callers see it."""
    items = recommendation_bodies(page.recommendations, page.external_ids)
    ending = _ending(page)
    return PageBody(
        recommendations=items,
        count=len(items),
        model_version=page.model_version,
        user_id=ending.user_id,
        next_cursor=ending.next_cursor,
        stale=ending.stale,
        provisional=ending.provisional,
        sequence=ending.sequence,
        built_up_to=ending.built_up_to,
    )


def page_headers(page: FeedPage, now: datetime) -> dict[str, str]:
    """Callers may keep a fresh page for a minute at the most, one that is to be renewed or lacks posts not at all."""
    remaining = int((page.expires_at - now).total_seconds())
    # Without a mark of its own a caller who asks again would never learn that the page has become stale.
    mark = ("-provisional" if page.is_provisional else "") + ("-stale" if page.source is FeedSource.STALE else "")
    variant = f"-{page.left_out}" if page.left_out else ""
    max_age = 0 if mark or variant else max(0, min(MAX_AGE_SECONDS, remaining))
    return {
        Header.ETAG: f'W/"{page.order.epoch}-{page.order.generation}{mark}{variant}"',
        Header.CACHE_CONTROL: f"private, max-age={max_age}",
        Header.FEED_SOURCE: page.source.value,
        Header.VARY: "Accept-Encoding",
    }


def _answer_of(headers: dict[str, str], body: bytes) -> HTTPResponse:
    return PlainResponse(body, 200, headers=headers, content_type="application/json")


def _page(page: FeedPage, headers: dict[str, str], accept_encoding: str) -> bytes:
    """Compressed where that was done when the feed was made: doing it for each answer would cost more than the rest.

    Adds to the headers how it is coded.
    """
    ending = b"," + msgspec.json.encode(_ending(page))[1:]
    prepared = cast(RenderedStart | None, page.rendering)
    if prepared is None:
        return render_start(page.recommendations, page.external_ids, page.model_version) + ending
    if accepts_gzip(accept_encoding):
        headers[Header.CONTENT_ENCODING] = "gzip"
        return prepared.gzipped(ending)
    return prepared.text() + ending


def _ending(page: FeedPage) -> _Ending:
    return _Ending(
        user_id=page.user_text,
        next_cursor=UNSET if page.next is None else write_cursor(page.next, page.user_id),
        stale=True if page.source is FeedSource.STALE else UNSET,
        provisional=True if page.is_provisional else UNSET,
        sequence=UNSET if page.source is FeedSource.POPULAR or page.is_provisional else page.sequence,
        built_up_to=UNSET if page.built_up_to is None else page.built_up_to,
    )


def _job_body(report: JobReport) -> JobBody:
    return JobBody(
        ticket=str(report.ticket.id),
        state=report.state,
        location=f"/recommendations/jobs/{report.ticket.id}",
        expires_at=report.ticket.expires_at,
        result=UNSET if report.page is None else page_body(report.page),
        problem=_failure(report),
    )


def _headers_of_job(report: JobReport, applied: str) -> dict[str, str]:
    headers: dict[str, str] = {Header.CACHE_CONTROL: "no-store"}
    if report.is_pending:
        headers[Header.RETRY_AFTER] = str(report.retry_after_seconds)
    if applied:
        headers[Header.PREFERENCE_APPLIED] = applied
    return headers


def _failure(report: JobReport) -> Problem | UnsetType:
    if report.failure is None:
        return UNSET
    kind = GENERATION_FAILED
    return Problem(kind.type, kind.title, kind.status, report.failure)


def _names(if_none_match: str, etag: str) -> bool:
    """Weak comparison (RFC 9110, section 8.8.3.2): what stands before the quotes does not count."""
    if if_none_match.strip() == "*":
        return True
    return etag.removeprefix("W/") in _ENTITY_TAG.findall(if_none_match)
