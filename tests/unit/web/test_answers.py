import gzip
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from core.application.job_report import JobReport
from core.domain.feed import NO_FEED, FeedSource, FirstPage
from core.domain.job import FeedRequest, JobState, Ticket
from core.domain.page import FeedPage, page_of
from core.domain.post_set import Posts
from core.infrastructure.page_rendering import RenderedStart, render_start
from tests.builders import NOON, USER, feed_of, post, provisional_feed_of
from web.answers import job_answer, page_answer, page_or_not_modified, ticket_answer
from web.cursor import read_cursor

ASKED = FeedRequest(USER, limit=2)
TICKET = Ticket(UUID(int=7), ASKED, NO_FEED, NOON, NOON + timedelta(hours=1))


def page(source: FeedSource = FeedSource.CACHE, limit: int = 2) -> FeedPage:
    return page_of(feed_of(posts=(1, 2, 3)), replace(ASKED, limit=limit), source)


def decoded(body: bytes | None) -> Any:
    return msgspec.json.decode(body or b"")


def test_a_page_holds_what_the_contract_says_and_nothing_else() -> None:
    answer = page_answer(page(limit=100), NOON)

    assert answer.status == 200
    assert decoded(answer.body) == {
        "user_id": "anna",
        "recommendations": [
            {"post_id": str(post(1)), "score": 1.0, "reason": "collaborative_filtering"},
            {"post_id": str(post(2)), "score": 0.5, "reason": "collaborative_filtering"},
            {"post_id": str(post(3)), "score": 0.333333, "reason": "collaborative_filtering"},
        ],
        "count": 3,
        "model_version": "collaborative_filtering_v1",
        "sequence": 0,
    }


def test_a_page_tells_up_to_where_it_knows_what_its_user_did() -> None:
    feed = replace(feed_of(), built_sequence=7, built_up_to=NOON - timedelta(seconds=1))

    stale = decoded(page_answer(page_of(feed, ASKED, FeedSource.STALE), NOON).body)
    popular = decoded(page_answer(page_of(replace(feed, built_up_to=None), ASKED, FeedSource.POPULAR), NOON).body)

    assert (stale["sequence"], stale["built_up_to"]) == (7, "2026-11-23T11:59:59Z")
    assert not {"sequence", "built_up_to"} & set(popular)


def test_a_page_of_which_posts_were_left_out_has_a_tag_of_its_own() -> None:
    whole, without = (page_of(feed_of(), ASKED, FeedSource.CACHE, unwanted) for unwanted in ([], [Posts([post(1)])]))
    tags = [page_answer(one, NOON).headers["ETag"] for one in (whole, without)]

    assert page_answer(without, NOON).headers["Cache-Control"] == "private, max-age=0"
    assert tags[0] == 'W/"1-1"'
    assert tags[1].startswith('W/"1-1-')
    assert page_or_not_modified(without, NOON, if_none_match=tags[0]).status == 200
    assert page_or_not_modified(without, NOON, if_none_match=tags[1]).status == 304


def prepared(limit: int = 2) -> FeedPage:
    """A page as the cache gives it."""
    feed = feed_of(posts=(1, 2, 3))
    start = RenderedStart.of(render_start(feed.recommendations[:2], feed.external_ids, feed.model_version))
    return page_of(replace(feed, first_page=FirstPage(2, start)), replace(ASKED, limit=limit), FeedSource.CACHE)


def test_a_page_prepared_in_advance_says_the_same() -> None:
    answer = page_answer(prepared(), NOON)

    assert answer.body == page_answer(page(), NOON).body
    assert "Content-Encoding" not in answer.headers


def test_a_page_prepared_in_advance_is_sent_compressed_to_who_takes_that() -> None:
    answer = page_answer(prepared(), NOON, accept_encoding="br, gzip")

    assert gzip.decompress(answer.body or b"") == page_answer(page(), NOON).body
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("other", [replace(ASKED, limit=1), replace(ASKED, excluded_post_ids=("post-1",))])
def test_another_page_than_the_prepared_one_is_written_anew(other: FeedRequest) -> None:
    feed = replace(feed_of(posts=(1, 2, 3)), first_page=FirstPage(2, "not what was asked for"))

    asked = page_of(feed, other, FeedSource.CACHE)

    assert decoded(page_answer(asked, NOON, "gzip").body)["count"] == other.limit


def test_when_more_is_left_the_cursor_leads_there() -> None:
    body = decoded(page_answer(page(), NOON).body)

    assert read_cursor(body["next_cursor"], ASKED.user_id) == page().next


def test_ids_go_out_as_they_came_in() -> None:
    body = decoded(page_answer(page()._replace(external_ids={post(1): "post-id-1"}), NOON).body)

    assert [item["post_id"] for item in body["recommendations"]] == ["post-id-1", str(post(2))]


def test_a_stale_page_is_marked_and_may_not_be_kept() -> None:
    answer = page_answer(page(FeedSource.STALE), NOON)

    assert decoded(answer.body)["stale"] is True
    assert answer.headers["Cache-Control"] == "private, max-age=0"
    assert answer.headers["Feed-Source"] == "stale"


@pytest.mark.parametrize(
    ("source", "etag"), [(FeedSource.CACHE, 'W/"1-0-provisional"'), (FeedSource.STALE, 'W/"1-0-provisional-stale"')]
)
def test_a_provisional_page_is_marked_and_may_not_be_kept(source: FeedSource, etag: str) -> None:
    answer = page_answer(page_of(provisional_feed_of(), ASKED, source), NOON)

    assert decoded(answer.body)["provisional"] is True
    assert answer.headers["Cache-Control"] == "private, max-age=0"
    assert answer.headers["ETag"] == etag


@pytest.mark.parametrize(("remaining_seconds", "max_age"), [(3600, 60), (60, 60), (59.9, 59), (0.5, 0), (-5, 0)])
def test_a_page_may_be_kept_for_a_minute_but_not_beyond_its_expiry(remaining_seconds: float, max_age: int) -> None:
    expiring = page()._replace(expires_at=NOON + timedelta(seconds=remaining_seconds))

    assert page_answer(expiring, NOON).headers["Cache-Control"] == f"private, max-age={max_age}"


@pytest.mark.parametrize("sent", ['W/"1-1"', '"1-1"', '"x", W/"1-1"', "*", ' W/"0-9" ,W/"1-1" '])
def test_who_has_the_feed_already_gets_304(sent: str) -> None:
    answer = page_or_not_modified(page(), NOON, if_none_match=sent)

    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["ETag"] == 'W/"1-1"'
    assert answer.headers["Cache-Control"] == "private, max-age=60"


@pytest.mark.parametrize("sent", ["", 'W/"1-2"', '"11"', "1-1", "nonsense", '"*"'])
def test_who_has_another_one_gets_the_page(sent: str) -> None:
    assert page_or_not_modified(page(), NOON, if_none_match=sent).status == 200


def test_a_ticket_says_where_and_when_to_look() -> None:
    answer = ticket_answer(JobReport(TICKET, JobState.QUEUED, retry_after_seconds=5), applied="wait=1")

    assert answer.status == 202
    assert answer.headers["Location"] == f"/recommendations/jobs/{TICKET.id}"
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Preference-Applied"] == "wait=1"
    assert decoded(answer.body) == {
        "ticket": str(TICKET.id),
        "state": "queued",
        "location": f"/recommendations/jobs/{TICKET.id}",
        "expires_at": "2026-11-23T13:00:00Z",
    }


def test_a_job_that_succeeded_holds_what_the_post_would_have_answered() -> None:
    generated = page(FeedSource.GENERATED)

    answer = job_answer(JobReport(TICKET, JobState.SUCCEEDED, generated))

    assert decoded(answer.body)["result"] == decoded(page_answer(generated, NOON).body)
    assert "Retry-After" not in answer.headers


def test_a_failed_job_is_no_failed_question() -> None:
    answer = job_answer(JobReport(TICKET, JobState.FAILED, failure="the model is broken"))

    body = decoded(answer.body)
    assert (answer.status, body["state"]) == (200, "failed")
    assert body["problem"]["type"] == "urn:threads-ml:problem:generation-failed"
    assert body["problem"]["detail"] == "the model is broken"


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_an_unfinished_job_says_when_to_look_again(state: JobState) -> None:
    answer = job_answer(JobReport(TICKET, state, retry_after_seconds=3), applied="wait=25")

    assert (answer.headers["Retry-After"], answer.headers["Preference-Applied"]) == ("3", "wait=25")
