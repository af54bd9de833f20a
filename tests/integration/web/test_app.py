"""The HTTP contract, over a real socket; the servers behind are fakes."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from core.domain.feed import FeedOrder
from core.domain.ids import to_uuid
from core.domain.job import GenerateMessage, PagePosition
from core.settings import Settings
from tests.builders import USER, Stage, feed_of, post, stale_feed_of
from tests.integration.web.serving import Served, served
from web.cursor import write_cursor

GENERATE = "/recommendations/generate"
PROBLEM = "application/problem+json"
EVENT = {"user_id": "anna", "post_id": "post-1", "interaction_type": "like"}


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
async def service(stage: Stage) -> AsyncIterator[Served]:
    async with served(stage, Settings()) as running:
        yield running


@pytest.fixture
def api(service: Served) -> httpx.AsyncClient:
    return service.client


async def ask(api: httpx.AsyncClient, prefer: str = "wait=0", **body: Any) -> httpx.Response:
    return await api.post(GENERATE, json={"user_id": USER, **body}, headers={"Prefer": prefer})


def posts_of(answer: httpx.Response) -> list[str]:
    return [item["post_id"] for item in answer.json()["recommendations"]]


def problem_of(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """The problem, after what is the same in all of them."""
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert (problem["status"], problem["type"]) == (status, f"urn:threads-ml:problem:{name}")
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


class TestHealth:
    async def test_health_is_exactly_this_whatever_else_is_down(self, api: httpx.AsyncClient, stage: Stage) -> None:
        stage.stop_redis()
        stage.stop_postgres()

        answer = await api.get("/health")

        assert (answer.status_code, answer.content) == (200, b'{"status":"healthy","service":"threads-ml-service"}')

    async def test_ready_lists_what_is_degraded(self, api: httpx.AsyncClient, stage: Stage) -> None:
        stage.stop_redis()

        answer = await api.get("/ready")

        assert answer.status_code == 200
        assert answer.json() == {
            "status": "ready",
            "degraded": ["redis: unreachable", "queue: unreachable", "model: none yet"],
        }

    async def test_while_draining_it_is_not_ready_but_answers_what_is_in_hand(
        self, service: Served, stage: Stage
    ) -> None:
        enqueued = asyncio.Event()

        async def note(_: GenerateMessage) -> None:
            enqueued.set()

        stage.queue.on_submit = note
        waiting = asyncio.create_task(ask(service.client, "wait=25"))
        await enqueued.wait()

        await service.server.before_stop()

        async with asyncio.timeout(5):
            assert (await waiting).status_code == 202
        problem_of(await service.client.get("/ready"), 503, "not-ready")
        assert (await service.client.get("/health")).status_code == 200


class TestGenerate:
    async def test_a_page_has_the_contracts_body_and_headers(self, api: httpx.AsyncClient, stage: Stage) -> None:
        await stage.cache.put(feed_of(posts=(1, 2, 3)))

        answer = await api.post(GENERATE, json={"user_id": USER, "limit": 2, "exclude_post_ids": [str(post(1))]})

        assert answer.status_code == 200
        assert answer.json() == {
            "user_id": "anna",
            "recommendations": [
                {"post_id": str(post(2)), "score": 0.5, "reason": "collaborative_filtering"},
                {"post_id": str(post(3)), "score": 0.333333, "reason": "collaborative_filtering"},
            ],
            "count": 2,
            "model_version": "collaborative_filtering_v1",
            "sequence": 0,
        }
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["etag"] == 'W/"1-1"'
        assert answer.headers["cache-control"] == "private, max-age=60"
        assert answer.headers["feed-source"] == "cache"
        assert answer.headers["server-timing"].startswith("app;dur=")
        assert "preference-applied" not in answer.headers

    async def test_without_a_limit_it_is_the_setting(self, stage: Stage) -> None:
        await stage.cache.put(feed_of(posts=range(1, 30)))
        async with served(stage, Settings(recommendation_batch_size=7)) as running:
            answer = await ask(running.client)

        assert answer.json()["count"] == 7

    async def test_pages_follow_each_other_and_never_repeat(self, api: httpx.AsyncClient, stage: Stage) -> None:
        await stage.cache.put(feed_of(posts=range(1, 8)))
        first = await ask(api, limit=3, exclude_post_ids=[str(post(2))])
        second = await ask(api, limit=3, exclude_post_ids=[str(post(2))], cursor=first.json()["next_cursor"])

        assert posts_of(first) == [str(post(number)) for number in (1, 3, 4)]
        assert posts_of(second) == [str(post(number)) for number in (5, 6, 7)]
        assert "next_cursor" not in second.json()

    async def test_a_missing_feed_is_generated_while_the_caller_waits(
        self, api: httpx.AsyncClient, stage: Stage
    ) -> None:
        stage.next_feed = feed_of()
        stage.queue.on_submit = stage.work

        answer = await ask(api, "wait=20")

        assert (answer.status_code, answer.headers["feed-source"]) == (200, "generated")
        assert answer.headers["preference-applied"] == "wait=20"

    async def test_the_request_id_travels_to_the_worker_and_back(self, api: httpx.AsyncClient, stage: Stage) -> None:
        headers = {"Prefer": "wait=0", "X-Request-ID": "my-request-1"}

        answer = await api.post(GENERATE, json={"user_id": USER}, headers=headers)

        assert answer.headers["x-request-id"] == "my-request-1"
        assert stage.queue.messages == [GenerateMessage(to_uuid(USER), "my-request-1")]

    @pytest.mark.parametrize("sent", ["", "two words", "x" * 129, "é"])
    async def test_a_request_id_that_cannot_be_used_is_replaced(self, api: httpx.AsyncClient, sent: str) -> None:
        answer = await api.get("/health", headers={"X-Request-ID": sent.encode()})

        assert len(answer.headers["x-request-id"]) == 32

    async def test_a_stale_feed_is_marked(self, api: httpx.AsyncClient, stage: Stage) -> None:
        await stage.archive.put(stale_feed_of())

        answer = await ask(api)

        assert (answer.status_code, answer.json()["stale"]) == (200, True)
        assert answer.headers["feed-source"] == "stale"
        assert answer.headers["cache-control"] == "private, max-age=0"

    async def test_who_asks_for_popular_posts_instead_of_waiting_gets_them(self, api: httpx.AsyncClient) -> None:
        answer = await ask(api, "wait=0, fallback, unheard-of")

        assert (answer.status_code, answer.headers["feed-source"]) == (200, "popular")
        assert answer.headers["preference-applied"] == "wait=0, fallback"
        assert answer.json()["model_version"] == "popular"

    async def test_a_stranger_gets_popular_posts_and_makes_no_job(self, api: httpx.AsyncClient, stage: Stage) -> None:
        answer = await ask(api, user_id="test-user", limit=2)

        assert answer.json()["user_id"] == "test-user"
        assert posts_of(answer) == [str(post(101)), str(post(102))]
        assert stage.queue.messages == []

    async def test_a_cursor_of_a_renewed_feed_is_gone(self, api: httpx.AsyncClient, stage: Stage) -> None:
        await stage.cache.put(feed_of(generation=2))

        answer = await ask(api, cursor=write_cursor(PagePosition(FeedOrder(1, 1), 2), to_uuid(USER)))

        problem = problem_of(answer, 410, "cursor-expired")
        assert problem["errors"][0]["pointer"] == "/cursor"

    async def test_whatever_is_down_there_is_an_answer(self, api: httpx.AsyncClient, stage: Stage) -> None:
        stage.stop_redis()
        stage.stop_postgres()

        answer = await ask(api, "wait=25")

        assert (answer.status_code, answer.headers["feed-source"]) == (200, "popular")

    async def test_what_nobody_expected_is_told_without_internals_and_logged_once(
        self, api: httpx.AsyncClient, stage: Stage
    ) -> None:
        async def fail(user_id: object) -> None:
            raise RuntimeError("secret")

        stage.cache.get = fail  # type: ignore[method-assign] # no port's promise has such an error
        with capture_logs() as logs:
            answer = await ask(api)

        problem_of(answer, 500, "internal-error")
        assert "secret" not in answer.text
        assert [line["event"] for line in logs] == ["request_failed", "request"]

    async def test_in_debug_mode_the_answer_has_the_traceback(self, stage: Stage) -> None:
        async def fail(user_id: object) -> None:
            raise RuntimeError("secret")

        stage.cache.get = fail  # type: ignore[method-assign] # no port's promise has such an error
        async with served(stage, Settings(debug=True)) as running:
            answer = await ask(running.client)

        assert "RuntimeError: secret" in problem_of(answer, 500, "internal-error")["detail"]

    async def test_a_caller_that_goes_away_leaves_nothing_behind(self, service: Served, stage: Stage) -> None:
        enqueued, left = asyncio.Event(), asyncio.Event()

        async def note(_: GenerateMessage) -> None:
            enqueued.set()

        stage.queue.on_submit = note
        ears = stage.signals.ears = NoticesRemoval(left)
        body = json.dumps({"user_id": USER}).encode()
        with capture_logs() as logs:
            _, writer = await asyncio.open_connection("127.0.0.1", service.port)
            head = f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nPrefer: wait=25\r\n"
            writer.write(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await enqueued.wait()
            writer.close()
            async with asyncio.timeout(5):
                await left.wait()

        assert not ears
        with stage.waiting_room.seat() as has_seat:
            assert has_seat
        assert len(stage.queue.messages) == 1
        assert (await service.client.get("/health")).status_code == 200
        assert {line["log_level"] for line in logs} <= {"info"}


class NoticesRemoval(dict[Any, Any]):
    """A dict that sets an event when a key goes."""

    def __init__(self, event: asyncio.Event) -> None:
        super().__init__()
        self.event = event

    def __delitem__(self, key: object) -> None:
        super().__delitem__(key)
        self.event.set()


class TestJobs:
    async def test_the_ticket_leads_to_what_the_post_would_have_returned(
        self, api: httpx.AsyncClient, stage: Stage
    ) -> None:
        asked = {"limit": 2, "exclude_post_ids": [str(post(1))]}
        taken = await ask(api, "respond-async", **asked)
        waiting = await api.get(taken.headers["location"])
        stage.next_feed = feed_of(posts=range(1, 8))
        await stage.work(stage.queue.messages[0])

        done = await api.get(taken.headers["location"])

        assert (taken.status_code, taken.headers["retry-after"]) == (202, "1")
        assert taken.headers["preference-applied"] == "respond-async"
        assert taken.json()["location"] == taken.headers["location"]
        assert (waiting.json()["state"], waiting.headers["retry-after"]) == ("queued", "1")
        assert done.json()["state"] == "succeeded"
        assert done.json()["result"] == (await ask(api, **asked)).json()
        following = await ask(api, **asked, cursor=done.json()["result"]["next_cursor"])
        assert posts_of(following) == [str(post(4)), str(post(5))]

    async def test_whoever_waits_with_a_ticket_gets_the_result_when_it_is_there(
        self, api: httpx.AsyncClient, stage: Stage
    ) -> None:
        taken = await ask(api)
        stage.signals.somebody_listens.clear()
        asking = asyncio.create_task(api.get(taken.headers["location"], headers={"Prefer": "wait=25"}))
        await stage.signals.somebody_listens.wait()
        stage.next_feed = feed_of()
        await stage.work(stage.queue.messages[0])

        done = await asking

        assert (done.json()["state"], done.headers["preference-applied"]) == ("succeeded", "wait=25")
        assert "retry-after" not in done.headers

    async def test_a_refusal_tells_when_the_queue_will_have_room(self, api: httpx.AsyncClient, stage: Stage) -> None:
        stage.queue.messages.extend([GenerateMessage(to_uuid("other"), "request-1")] * 30)
        stage.queue.is_full = True

        answer = await ask(api)

        problem_of(answer, 503, "overloaded")
        assert answer.headers["retry-after"] == "30"

    async def test_a_failed_job_answers_200_and_says_why(self, api: httpx.AsyncClient, stage: Stage) -> None:
        taken = await ask(api)
        await stage.tickets.fail_all_of(to_uuid(USER), "the model is broken")

        answer = await api.get(taken.headers["location"])

        assert (answer.status_code, answer.json()["state"]) == (200, "failed")
        assert answer.json()["problem"]["detail"] == "the model is broken"

    async def test_an_expired_ticket_says_so(self, api: httpx.AsyncClient, stage: Stage) -> None:
        taken = await ask(api)
        stage.clock.advance(seconds=3600)

        answer = await api.get(taken.headers["location"])

        assert (answer.status_code, answer.json()["state"]) == (200, "expired")

    @pytest.mark.parametrize("ticket", ["nonsense", "6f0c2f6e-7d5b-4d3c-9c55-0f3ad7a1c1de", "%FF", "a" * 500])
    async def test_a_ticket_nobody_gave_is_not_found(self, api: httpx.AsyncClient, ticket: str) -> None:
        problem_of(await api.get(f"/recommendations/jobs/{ticket}"), 404, "not-found")

    async def test_while_postgres_is_away_a_ticket_can_be_asked_for_later(
        self, api: httpx.AsyncClient, stage: Stage
    ) -> None:
        taken = await ask(api)
        stage.stop_postgres()

        answer = await api.get(taken.headers["location"])

        problem_of(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1


class TestStoredFeed:
    async def test_the_stored_feed_is_shown_page_by_page(self, api: httpx.AsyncClient, stage: Stage) -> None:
        await stage.cache.put(feed_of(posts=(1, 2, 3)))
        first = await api.get("/recommendations/anna", params={"limit": 2})
        second = await api.get("/recommendations/anna", params={"limit": 2, "cursor": first.json()["next_cursor"]})

        assert (first.status_code, first.headers["feed-source"]) == (200, "cache")
        assert posts_of(first) == [str(post(1)), str(post(2))]
        assert posts_of(second) == [str(post(3))]

    async def test_who_has_it_already_gets_304(self, api: httpx.AsyncClient, stage: Stage) -> None:
        await stage.cache.put(feed_of())
        first = await api.get("/recommendations/anna")

        again = await api.get("/recommendations/anna", headers={"If-None-Match": first.headers["etag"]})

        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]

    async def test_without_a_stored_feed_there_is_404_and_no_job(self, api: httpx.AsyncClient, stage: Stage) -> None:
        problem_of(await api.get("/recommendations/anna"), 404, "not-found")

        assert stage.queue.messages == []

    @pytest.mark.parametrize(
        ("path", "user"),
        [("jobs", "jobs"), ("generate", "generate"), ("a%2Fb", "a/b"), ("%C3%BC%20x", "ü x"), ("%3F%23", "?#")],
    )
    async def test_any_user_id_can_stand_in_the_path(
        self, api: httpx.AsyncClient, stage: Stage, path: str, user: str
    ) -> None:
        await stage.cache.put(feed_of(user))

        answer = await api.get(f"/recommendations/{path}")

        assert (answer.status_code, answer.json()["user_id"]) == (200, user)

    @pytest.mark.parametrize(
        ("path", "parameter"),
        [
            ("anna?limit=0", "limit"),
            ("anna?limit=101", "limit"),
            ("anna?limit=1.5", "limit"),
            ("anna?limit=", "limit"),
            ("anna?limit=1&limit=2", "limit"),
            ("anna?cursor=forged", "cursor"),
            ("a" * 129, "user_id"),
            ("%FF", "user_id"),
        ],
    )
    async def test_a_wrong_parameter_is_named(self, api: httpx.AsyncClient, path: str, parameter: str) -> None:
        problem = problem_of(await api.get(f"/recommendations/{path}"), 400, "invalid-input")

        assert [error["parameter"] for error in problem["errors"]] == [parameter]


class TestPosts:
    async def test_a_hidden_post_is_gone_from_the_next_answer_and_comes_back_when_it_is_shown(
        self, api: httpx.AsyncClient, stage: Stage
    ) -> None:
        await stage.cache.put(feed_of(posts=(1, 2, 3)))
        stage.hidden_posts.table = {post(1)}
        hidden = await api.put(f"/posts/{post(1)}", json={"hidden": True})
        without = await ask(api, limit=2)
        stage.hidden_posts.table = set()
        await api.put(f"/posts/{post(1)}", json={})

        again = await ask(api, limit=2)

        assert (hidden.status_code, hidden.json()) == (200, {"post_id": str(post(1)), "hidden": True})
        assert hidden.headers["cache-control"] == "no-store"
        assert posts_of(without) == [str(post(2)), str(post(3))]
        assert posts_of(again) == [str(post(1)), str(post(2))]

    async def test_who_keeps_an_answer_with_a_post_that_is_hidden_since_is_sent_another(
        self, api: httpx.AsyncClient, stage: Stage
    ) -> None:
        await stage.cache.put(feed_of())
        kept = (await api.get("/recommendations/anna")).headers["etag"]
        stage.hidden_posts.posts = {post(1)}

        answer = await api.get("/recommendations/anna", headers={"If-None-Match": kept})
        again = await api.get("/recommendations/anna", headers={"If-None-Match": answer.headers["etag"]})

        assert (answer.status_code, posts_of(answer)) == (200, [str(post(2)), str(post(3))])
        assert again.status_code == 304

    async def test_what_was_said_of_a_post_is_told_under_the_id_it_was_said_of(self, api: httpx.AsyncClient) -> None:
        said = await api.put("/posts/a%2Fb", json={"expires_at": "2026-12-31T23:00:00+01:00"})

        told = await api.get("/posts/a%2Fb")

        assert said.json() == told.json() == {"post_id": "a/b", "hidden": False, "expires_at": "2026-12-31T22:00:00Z"}

    async def test_a_post_of_which_nothing_was_said_is_not_found(self, api: httpx.AsyncClient) -> None:
        problem_of(await api.get("/posts/unheard-of"), 404, "not-found")

    async def test_wrong_fields_are_pointed_at_and_a_wrong_path_is_named(self, api: httpx.AsyncClient) -> None:
        body = problem_of(await api.put("/posts/1", json={"hidden": 1, "x": 2}), 400, "invalid-input")
        path = problem_of(await api.put("/posts/%FF", json={}), 400, "invalid-input")
        problem_of(
            await api.put("/posts/1", content=b"{}", headers={"Content-Type": "text/plain"}),
            415,
            "unsupported-media-type",
        )

        assert [error["pointer"] for error in body["errors"]] == ["/hidden", "/x"]
        assert [error["parameter"] for error in path["errors"]] == ["post_id"]

    async def test_who_sends_another_method_is_told_which_there_are(self, api: httpx.AsyncClient) -> None:
        answer = await api.post("/posts/1", json={})

        problem_of(answer, 405, "method-not-allowed")
        assert set(answer.headers["allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "PUT"}

    async def test_while_postgres_is_away_nothing_is_said(self, api: httpx.AsyncClient, stage: Stage) -> None:
        stage.stop_postgres()

        problem_of(await api.put("/posts/1", json={"hidden": True}), 503, "unavailable")


class TestDescription:
    async def test_the_description_is_openapi_3_1(self, api: httpx.AsyncClient) -> None:
        answer = await api.get("/openapi.json")

        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["openapi"] == "3.1.0"
        assert answer.json()["info"]["title"] == "threads-ml-service"

    async def test_the_page_loads_nothing_from_outside(self, api: httpx.AsyncClient) -> None:
        page = await api.get("/docs")
        loaded = [part.partition('"')[0] for part in page.text.replace('href="', 'src="').split('src="')[1:]]

        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert len(loaded) == 4
        assert all(address.startswith("/docs/assets/") for address in loaded)
        for address in loaded:
            asset = await api.get(address)
            assert asset.status_code == 200
            assert "max-age=86400" in asset.headers["cache-control"]

    async def test_an_asset_that_has_not_changed_is_not_sent_again(self, api: httpx.AsyncClient) -> None:
        first = await api.get("/docs/assets/swagger-ui.css")

        headers = {"If-Modified-Since": first.headers["last-modified"]}
        assert (await api.get("/docs/assets/swagger-ui.css", headers=headers)).status_code == 304

    @pytest.mark.parametrize("path", ["/openapi.json", "/docs/assets/swagger-ui-bundle.js"])
    async def test_it_is_compressed_for_whoever_takes_that(self, api: httpx.AsyncClient, path: str) -> None:
        plain = await api.get(path, headers={"Accept-Encoding": "identity"})
        compressed = await api.get(path, headers={"Accept-Encoding": "gzip"})

        assert (compressed.content, compressed.headers["content-encoding"]) == (plain.content, "gzip")
        assert int(compressed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
        assert "content-encoding" not in plain.headers
        assert [answer.headers["vary"] for answer in (plain, compressed)] == ["Accept-Encoding"] * 2

    async def test_a_picture_is_compressed_already(self, api: httpx.AsyncClient) -> None:
        picture = await api.get("/docs/assets/favicon-32x32.png", headers={"Accept-Encoding": "gzip"})

        assert "content-encoding" not in picture.headers

    @pytest.mark.parametrize("name", ["swagger-editor.js", "..%2Fcore.py", "%2Fetc%2Fpasswd"])
    async def test_no_other_file_is_served(self, api: httpx.AsyncClient, name: str) -> None:
        problem_of(await api.get(f"/docs/assets/{name}"), 404, "not-found")


class TestErrors:
    async def test_a_path_that_is_not_served_is_a_problem(self, api: httpx.AsyncClient) -> None:
        problem_of(await api.get("/nowhere"), 404, "no-such-path")

    async def test_another_method_is_told_which_ones_there_are(self, api: httpx.AsyncClient) -> None:
        answer = await api.delete("/health")

        problem_of(answer, 405, "method-not-allowed")
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}

    @pytest.mark.parametrize(
        "sent",
        [
            b"NONSENSE",
            b"GET nonsense HTTP/1.1",
            b"GET \xff[ HTTP/1.1",
            b"CONNECT x:80 HTTP/1.1",
            b"GET /health HTTP/1.1\r\nContent-Length : 5",
            b"GET /health HTTP/1.1\r\nA: b\r\n Transfer-Encoding: chunked",
            b"GET /health HTTP/1.1\r\nA: b\nTransfer-Encoding: chunked",
            b"GET /health HTTP/1.1\r\nA: b\rTransfer-Encoding: chunked",
            b"GET /health HTTP/1.1\r\nA: b\0c",
            b"GET /health HTTP/1.1\r\n: b",
        ],
    )
    async def test_what_is_no_http_is_a_problem_too(self, service: Served, sent: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(sent + b"\r\n\r\n")
        answer = await reader.read()
        writer.close()

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"urn:threads-ml:problem:malformed-request" in answer

    async def test_each_request_is_one_line_in_the_log_without_its_body(
        self, api: httpx.AsyncClient, stage: Stage
    ) -> None:
        await stage.cache.put(feed_of())
        with capture_logs() as logs:
            answer = await ask(api)

        assert len(logs) == 1
        assert logs[0].pop("duration_ms") >= 0
        assert logs[0] == {
            "event": "request",
            "log_level": "info",
            "method": "POST",
            "path": GENERATE,
            "status": 200,
            "source": "cache",
            "model_version": "collaborative_filtering_v1",
            "request_id": answer.headers["x-request-id"],
        }


async def refused(service: Served, stage: Stage, content: bytes, content_type: str = "application/json") -> Any:
    """The problem with which a request body is refused, and nothing has happened besides."""
    answer = await service.client.post(GENERATE, content=content, headers={"Content-Type": content_type})

    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == PROBLEM
    assert (stage.queue.messages, stage.tickets.tickets, stage.cache.cold) == ([], {}, set())
    assert (await service.client.get("/health")).status_code == 200
    return answer.json()


def wrong_values() -> list[tuple[str, Any]]:
    """Each field of the body, wrong in every way."""
    not_text = [None, 1, 1.5, True, [], ["anna"], {}]
    return [
        *(("user_id", value) for value in [*not_text, "", "x" * 129]),
        *(
            ("limit", value)
            for value in [None, 0, -1, 101, 10**9, -(10**9), 10**400, 1.5, 10.5, "10", "", True, [], {}]
        ),
        *(("exclude_post_ids", value) for value in [None, 1, "a", True, {}, {"a": 1}, [1], [None], [""], [["a"]]]),
        *(("exclude_post_ids", value) for value in [["x" * 513], ["a", "b", 3], ["x"] * 1001, ["x"] * 10_000]),
        *(("cursor", value) for value in [*not_text, "", "forged", "x" * 32, "x" * 10_000]),
        ("cursor", write_cursor(PagePosition(FeedOrder(1, 1), 0), to_uuid("another user"))),
        ("cursor", write_cursor(PagePosition(FeedOrder(1, 1), 0), to_uuid(USER))[:-1]),
        *(("unknown", value) for value in [None, 1, "x"]),
    ]


@pytest.mark.parametrize(("field", "value"), wrong_values(), ids=lambda part: str(part)[:30])
async def test_a_wrong_field_is_named_with_its_rule(service: Served, stage: Stage, field: str, value: Any) -> None:
    problem = await refused(service, stage, json.dumps({"user_id": USER, field: value}).encode())

    assert problem["status"] == 400
    assert {error["pointer"].split("/")[1] for error in problem["errors"]} == {field}
    assert all(error["detail"].startswith(("must be ", "is unknown: ")) for error in problem["errors"])
    assert f"/{field}" in problem["detail"] or "next_cursor" in problem["detail"]


async def test_a_missing_user_is_named(service: Served, stage: Stage) -> None:
    problem = await refused(service, stage, b'{"limit": 10}')

    assert [error["pointer"] for error in problem["errors"]] == ["/user_id"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"user_id=anna",
        b"[]",
        b"null",
        b'"anna"',
        b"\xff\xfe{}",
        b'{"user_id": "\xff"}',
        rb'{"user_id": "\ud800"}',
        rb'{"user_id": "anna", "exclude_post_ids": ["\udc00"]}',
        b'{"user_id": "anna", "limit": 1' + b"0" * 400 + b"}",
        b'{"user_id": "anna", "x": ' + b"[" * 60_000,
        b"[" * 60_000,
    ],
    ids=lambda content: content[:40].decode(errors="replace"),
)
async def test_what_is_no_json_object_is_refused(service: Served, stage: Stage, content: bytes) -> None:
    assert (await refused(service, stage, content))["status"] == 400


@pytest.mark.parametrize("size_bytes", [65_537, 1_000_000, 4_000_000])
async def test_a_body_beyond_the_limit_is_refused(service: Served, stage: Stage, size_bytes: int) -> None:
    problem = await refused(service, stage, b"x" * size_bytes)

    assert (problem["status"], problem["type"]) == (413, "urn:threads-ml:problem:body-too-large")
    assert "65536 bytes" in problem["detail"]


async def test_a_million_exclusions_are_beyond_the_limit(service: Served, stage: Stage) -> None:
    content = json.dumps({"user_id": USER, "exclude_post_ids": ["x"] * 10**6}).encode()

    assert (await refused(service, stage, content))["status"] == 413


async def test_a_body_that_does_not_tell_its_length_is_refused_all_the_same(service: Served, stage: Stage) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    answer = await service.client.post(GENERATE, content=pieces(), headers={"Content-Type": "application/json"})

    problem_of(answer, 413, "body-too-large")


async def test_a_body_at_the_limit_is_read(service: Served) -> None:
    content = json.dumps({"user_id": "nobody"}).encode().ljust(65_536)

    answer = await service.client.post(GENERATE, content=content, headers={"Content-Type": "application/json"})

    assert answer.status_code == 200


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_another_content_type_is_refused(service: Served, stage: Stage, content_type: str) -> None:
    problem = await refused(service, stage, b'{"user_id": "anna"}', content_type)

    assert (problem["status"], problem["type"]) == (415, "urn:threads-ml:problem:unsupported-media-type")
    assert "application/json" in problem["detail"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NEARLY_RIGHT = st.fixed_dictionaries(
    {"user_id": JSON_VALUES | st.text()},
    optional={"limit": JSON_VALUES, "exclude_post_ids": JSON_VALUES, "cursor": JSON_VALUES},
)
BODIES = (
    st.binary()
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
    | NEARLY_RIGHT.map(lambda value: json.dumps(value).encode())
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=BODIES)
async def test_no_body_at_all_makes_the_service_fail(service: Served, stage: Stage, content: bytes) -> None:
    answer = await service.client.post(GENERATE, content=content, headers={"Content-Type": "application/json"})

    assert answer.status_code in {200, 400}
    assert stage.queue.messages == []


class TestInteractions:
    async def test_one_event_is_recorded_and_its_post_seen(self, api: httpx.AsyncClient, stage: Stage) -> None:
        answer = await api.post("/interactions", json=EVENT)

        assert answer.status_code == 202
        assert answer.json() == {"sequence": 1, "accepted": 1, "repeated": 0, "refused": 0}
        assert answer.headers["cache-control"] == "no-store"
        assert stage.seen_posts.held[to_uuid("anna")].post_ids == (to_uuid("post-1"),)

    async def test_a_page_sends_a_beacon(self, api: httpx.AsyncClient, stage: Stage) -> None:
        headers = {"Content-Type": "text/plain;charset=UTF-8"}

        answer = await api.post("/interactions", content=json.dumps(EVENT), headers=headers)

        assert (answer.status_code, len(stage.log.events)) == (202, 1)

    async def test_a_retry_is_harmless(self, api: httpx.AsyncClient, stage: Stage) -> None:
        body = {"events": [EVENT | {"id": "one"}, EVENT | {"id": "two", "post_id": "post-2"}]}
        await api.post("/interactions", json=body)

        answer = await api.post("/interactions", json=body)

        assert (answer.status_code, answer.json()["repeated"], len(stage.log.events)) == (202, 2, 2)

    async def test_bad_events_are_told_of_beside_good_ones(self, api: httpx.AsyncClient) -> None:
        answer = await api.post("/interactions", json={"events": [EVENT, EVENT | {"interaction_type": "poke"}]})

        assert answer.status_code == 202
        assert (answer.json()["accepted"], answer.json()["refused"]) == (1, 1)
        assert answer.json()["errors"][0]["pointer"] == "/events/1/interaction_type"

    async def test_all_or_nothing_is_nothing(self, api: httpx.AsyncClient, stage: Stage) -> None:
        events = [EVENT, EVENT | {"interaction_type": "poke"}]

        answer = await api.post("/interactions", json={"events": events, "all_or_nothing": True})

        problem = problem_of(answer, 400, "invalid-input")
        assert [error["pointer"] for error in problem["errors"]] == ["/events/1/interaction_type"]
        assert stage.log.events == {}

    async def test_an_id_of_another_event_is_a_conflict(self, api: httpx.AsyncClient) -> None:
        await api.post("/interactions", json=EVENT | {"id": "one"})

        answer = await api.post("/interactions", json=EVENT | {"id": "one", "post_id": "post-2"})

        assert problem_of(answer, 409, "id-taken")["errors"][0]["pointer"] == "/id"

    async def test_more_than_a_thousand_events_are_refused(self, api: httpx.AsyncClient) -> None:
        answer = await api.post("/interactions", json={"events": [EVENT] * 1001})

        assert problem_of(answer, 400, "invalid-input")["errors"][0]["pointer"] == "/events"

    async def test_a_body_may_be_a_megabyte_and_no_more(self, api: httpx.AsyncClient) -> None:
        event = EVENT | {"metadata": {"padding": "x" * 3900}}

        fits = await api.post("/interactions", json={"events": [event] * 250})
        too_large = await api.post("/interactions", json={"events": [event] * 300})

        assert fits.status_code == 202
        assert "1048576 bytes" in problem_of(too_large, 413, "body-too-large")["detail"]

    async def test_without_redis_events_are_recorded_all_the_same(self, api: httpx.AsyncClient, stage: Stage) -> None:
        stage.stop_redis()

        assert (await api.post("/interactions", json=EVENT)).status_code == 202

    async def test_without_postgres_the_caller_is_to_come_again(self, api: httpx.AsyncClient, stage: Stage) -> None:
        stage.stop_postgres()

        answer = await api.post("/interactions", json=EVENT)

        assert problem_of(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "2"

    async def test_other_methods_are_refused(self, api: httpx.AsyncClient) -> None:
        assert problem_of(await api.get("/interactions"), 405, "method-not-allowed")
