"""Cached answers are the same whichever way they take, and nothing else takes the shortcut."""

import asyncio
import gzip
import itertools
import json
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sanic.server.protocols.http_protocol import HttpProtocol
from structlog.testing import capture_logs

from core.application.recommend_posts import RecommendPosts
from core.domain.cached_user import CachedUser
from core.domain.feed import Feed, FeedOrder, FirstPage
from core.domain.ids import to_uuid
from core.domain.job import PagePosition
from core.domain.user_change import UserChange
from core.infrastructure.page_rendering import rendered_starts
from core.settings import Settings
from tests.builders import USER, Stage, feed_of, post, provisional_feed_of, stale_feed_of
from tests.fakes.cached_users import FakeCachedUsers
from tests.integration.web.serving import Served, served
from web.cursor import write_cursor
from web.json_body import MAX_BODY_BYTES

GENERATE = "/recommendations/generate"
WITHIN_SECONDS = 10.0
READ_AT_ONCE_BYTES = 256 * 1024  # the most that asyncio hands over in one piece
SHORT, LONG = "the shortcut", "the long way"


@dataclass(frozen=True)
class Answer:
    """Header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def page(self) -> Any:
        body = gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        return json.loads(body)


def prepared(feed: Feed, limit: int = 50) -> Feed:
    """With its first page rendered, as a worker stores it."""
    (rendering,) = rendered_starts([feed], limit)
    return replace(feed, first_page=FirstPage(limit, rendering))


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.cache.feeds[to_uuid(USER)] = prepared(feed_of(posts=range(1, 101)))
    stage.cache.feeds[to_uuid("stale")] = prepared(stale_feed_of("stale"))
    stage.cache.feeds[to_uuid("provisional")] = prepared(provisional_feed_of("provisional"))
    stage.cache.cold.add(to_uuid("stranger"))
    return stage


@pytest.fixture
async def service(stage: Stage) -> AsyncIterator[Served]:
    async with served(stage, Settings()) as running:
        yield running


@pytest.fixture
async def sanic(stage: Stage) -> AsyncIterator[Served]:
    """The same without a shortcut."""
    async with served(stage, Settings(), HttpProtocol) as running:
        yield running


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which ways the requests took, in turn: one that the cache cannot answer goes both."""
    ways: list[str] = []

    def noted(name: str, way: str) -> None:
        whole = getattr(RecommendPosts, name)

        async def call(self: RecommendPosts, *arguments: Any) -> Any:
            ways.append(way)
            return await whole(self, *arguments)

        monkeypatch.setattr(RecommendPosts, name, call)

    noted("from_cache", SHORT)
    noted("__call__", LONG)
    return ways


def request_of(*fields: str, body: bytes | None = None, **asked: Any) -> bytes:
    """The bytes of a request; header fields besides those that each has."""
    content = json.dumps({"user_id": USER, **asked}).encode() if body is None else body
    own = ("Host: x", "Content-Type: application/json", "X-Request-ID: one", f"Content-Length: {len(content)}")
    return f"POST {GENERATE} HTTP/1.1\r\n".encode() + "\r\n".join([*own, *fields, "", ""]).encode() + content


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
    return Answer(int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"])))


async def answers_to(service: Served, pieces: Sequence[bytes], count: int = 1) -> list[Answer]:
    """Each piece is sent when the one before is with the server."""
    async with asyncio.timeout(WITHIN_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await service.client.get("/health")  # by then the server has read it
        answers = [await read_answer(reader) for _ in range(count)]
        writer.close()
    return answers


async def answer_to(service: Served, *fields: str, **asked: Any) -> Answer:
    (answer,) = await answers_to(service, [request_of(*fields, **asked)])
    return answer


def same_but_for_times(answer: Answer) -> Answer:
    """A request that is no HTTP has an id of its own each time."""
    left = {name: text for name, text in answer.headers.items() if name not in {"server-timing", "alt-svc"}}
    made_up = left["x-request-id"] if left["x-request-id"] != "one" else "none"
    left["x-request-id"] = left["x-request-id"].replace(made_up, "made up")
    return replace(answer, headers=left, body=answer.body.replace(made_up.encode(), b"made up"))


FIRST_ORDER = FeedOrder(1, 1)
ANSWERED_AT_ONCE = [
    ((), {}),
    (("Accept-Encoding: gzip",), {}),
    (("Accept-Encoding: gzip;q=0",), {}),
    (("Prefer: wait=7",), {}),
    (("Prefer: fallback",), {"user_id": "stranger"}),
    ((), {"user_id": "stranger"}),
    ((), {"limit": 3}),
    ((), {"limit": 3.0}),
    ((), {"exclude_post_ids": [str(post(1)), str(post(3)), "unheard of"]}),
    (("Accept-Encoding: gzip",), {"cursor": write_cursor(PagePosition(FIRST_ORDER, 50), to_uuid(USER))}),
    ((), {"cursor": write_cursor(PagePosition(FIRST_ORDER, 100), to_uuid(USER))}),
    (("Connection: keep-alive", "User-Agent: x", "Cookie: a=b"), {}),
]


@pytest.mark.parametrize(("fields", "asked"), ANSWERED_AT_ONCE)
async def test_what_the_cache_can_answer_takes_the_shortcut_and_is_what_the_long_way_answers(
    service: Served, sanic: Served, taken: list[str], fields: Sequence[str], asked: dict[str, Any]
) -> None:
    short = await answer_to(service, *fields, **asked)
    long = await answer_to(sanic, *fields, **asked)

    assert taken == [SHORT, LONG]
    assert short.status == 200
    assert same_but_for_times(short) == same_but_for_times(long)
    assert short.headers["server-timing"].startswith("app;dur=")
    assert ", cache;dur=" in short.headers["server-timing"]


@pytest.mark.parametrize(
    ("asked", "source"),
    [
        ({"user_id": "stale"}, "stale"),
        ({"user_id": "provisional"}, "stale"),
        ({"user_id": "nobody"}, "popular"),
        ({"min_seq": 1}, None),
        ({"user_id": "stranger", "min_seq": 1}, None),
        ({"cursor": write_cursor(PagePosition(FeedOrder(9, 9), 50), to_uuid(USER))}, None),
    ],
)
async def test_what_the_cache_cannot_answer_goes_on_the_long_way(
    service: Served, taken: list[str], asked: dict[str, Any], source: str | None
) -> None:
    answer = await answer_to(service, "Prefer: wait=0, fallback", **asked)

    assert taken == [SHORT, LONG]
    assert answer.headers.get("feed-source") == source


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request_of("Connection: close"), 200),
        (request_of().replace(b"HTTP/1.1", b"HTTP/1.0"), 200),
        (request_of("Transfer-Encoding: chunked"), 400),
        (request_of("Content-Length: 5"), 400),
        (request_of(body=b"{"), 400),
        (request_of(limit=0), 400),
        (request_of(recent_post_ids=["a"]), 400),
        (request_of(cursor="x" * 32), 400),
        (request_of().replace(b"application/json", b"text/plain"), 415),
        (request_of(body=b" " * 70_000), 413),
    ],
)
async def test_what_is_unusual_or_wrong_is_left_to_sanic(
    service: Served, sanic: Served, taken: list[str], sent: bytes, status: int
) -> None:
    (answer,), (same,) = await answers_to(service, [sent]), await answers_to(sanic, [sent])

    assert SHORT not in taken
    assert (answer.status, same_but_for_times(answer)) == (status, same_but_for_times(same))


async def test_while_redis_is_away_the_long_way_is_taken(service: Served, stage: Stage, taken: list[str]) -> None:
    stage.stop_redis()

    answer = await answer_to(service, "Prefer: wait=0, fallback")

    assert (answer.status, answer.headers["feed-source"]) == (200, "popular")
    assert taken == [SHORT, LONG]


async def test_a_mistake_on_the_shortcut_is_told_by_the_long_way(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mistaken(*_: Any) -> None:
        raise RuntimeError("nobody expected that")

    monkeypatch.setattr(RecommendPosts, "from_cache", mistaken)
    assert (await answer_to(service)).status == 200

    monkeypatch.setattr(RecommendPosts, "__call__", mistaken)
    assert (await answer_to(service)).status == 500


async def test_a_body_may_come_in_pieces(service: Served, taken: list[str]) -> None:
    sent = request_of(exclude_post_ids=[str(post(number)) for number in range(1, 61)])

    (answer,) = await answers_to(service, [sent[:-1500], sent[-1500:-1], sent[-1:]])

    assert taken == [SHORT]
    assert answer.page["count"] == 40


async def test_who_stops_in_the_middle_of_a_body_is_told_so(service: Served, sanic: Served, taken: list[str]) -> None:
    half = request_of()[:-5]
    answers = []

    for server in (service, sanic):
        server.server.app.config.REQUEST_TIMEOUT = server.server.app.config.RESPONSE_TIMEOUT = 0.2
        answers += await answers_to(server, [half])

    assert [(answer.status, answer.headers["connection"]) for answer in answers] == [(503, "close")] * 2
    assert taken == []


async def test_a_body_at_the_limit_may_come_in_pieces(service: Served, taken: list[str]) -> None:
    body = json.dumps({"user_id": USER}).encode().ljust(MAX_BODY_BYTES)
    sent = request_of(body=body)

    (answer,) = await answers_to(service, [sent[:-10], sent[-10:-5], sent[-5:]])

    assert taken == [SHORT]
    assert answer.status == 200


@pytest.mark.parametrize(("size", "count"), [(MAX_BODY_BYTES, 60), (MAX_BODY_BYTES // 8, 500)])
async def test_of_whoever_sends_more_and_more_no_more_is_held_than_comes_at_once_and_each_request_is_answered(
    service: Served, stage: Stage, monkeypatch: pytest.MonkeyPatch, size: int, count: int
) -> None:
    held: list[int] = []
    look = stage.cached_users.get

    async def noted(user_id: UUID) -> CachedUser:
        held.extend(len(connection._held) for connection in service.server.connections)
        return await look(user_id)

    monkeypatch.setattr(FakeCachedUsers, "get", lambda _, user_id: noted(user_id))
    body = json.dumps({"user_id": USER, "limit": 1}).encode().ljust(size)

    answers = await answers_to(service, [request_of(body=body) * count], count)

    assert [answer.page["count"] for answer in answers] == [1] * count
    assert max(held) <= MAX_BODY_BYTES + READ_AT_ONCE_BYTES


async def test_a_head_may_come_in_pieces(service: Served, taken: list[str]) -> None:
    sent = request_of()

    (answer,) = await answers_to(service, [sent[:10], sent[10:100], sent[100:]])

    assert taken == [LONG]
    assert answer.page["count"] == 50


async def test_requests_sent_one_behind_the_other_are_answered_in_their_order(
    service: Served, taken: list[str]
) -> None:
    health = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    requests = [request_of(limit=1), request_of(limit=2), health, request_of(limit=3), request_of(user_id="stranger")]

    answers = await answers_to(service, [b"".join(requests)], len(requests))

    assert [answer.page.get("count", answer.page.get("status")) for answer in answers] == [1, 2, "healthy", 3, 3]
    assert taken[0] == SHORT


async def test_a_body_that_nobody_read_is_not_taken_for_a_request(service: Served, taken: list[str]) -> None:
    body = request_of(limit=1)
    unread = f"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    first, second = await answers_to(service, [unread, body, request_of(limit=2)], 2)

    assert (first.status, second.page["count"]) == (404, 2)
    assert taken == [SHORT]


async def test_who_is_waited_for_on_the_long_way_is_not_overtaken(service: Served, stage: Stage) -> None:
    stage.next_feed = None

    slow, quick = await answers_to(service, [request_of("Prefer: wait=1", user_id="stale"), request_of()], 2)

    assert (slow.page["user_id"], quick.page["user_id"]) == ("stale", USER)


async def test_an_answer_that_is_under_way_is_not_overtaken_and_its_connection_not_closed(
    service: Served, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, gate = asyncio.Event(), asyncio.Event()
    look = stage.cached_users.get

    async def gated(user_id: UUID) -> CachedUser:
        asked.set()
        await gate.wait()
        return await look(user_id)

    monkeypatch.setattr(FakeCachedUsers, "get", lambda _, user_id: gated(user_id))
    async with asyncio.timeout(WITHIN_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(request_of(limit=1))
        await asked.wait()
        (connection,) = [one for one in service.server.connections if one._answering is not None]
        writer.write(request_of(limit=2) + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        connection._close_if_still_idle()
        gate.set()
        answers = [await read_answer(reader) for _ in range(3)]
        writer.close()

    assert [answer.page.get("count", answer.page.get("status")) for answer in answers] == [1, 2, "healthy"]


async def test_who_goes_away_meanwhile_leaves_nothing_behind(
    service: Served, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def for_ever(*_: Any) -> CachedUser:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        raise AssertionError

    monkeypatch.setattr(FakeCachedUsers, "get", for_ever)
    async with asyncio.timeout(WITHIN_SECONDS):
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
        with capture_logs() as logs:
            writer.write(request_of())
            await asked.wait()
            writer.close()
            await left.wait()

    assert logs == []


async def test_while_draining_connections_are_closed_behind_their_answers(service: Served, taken: list[str]) -> None:
    await service.server.before_stop()

    answer = await answer_to(service)

    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert taken == [LONG]


async def test_a_request_that_has_come_when_idle_connections_are_closed_is_answered(service: Served) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(request_of())
        await read_answer(reader)
        await service.server.before_stop()
        writer.write(request_of())
        for connection in list(service.server.connections):
            connection.close_if_idle()
        answer = await read_answer(reader)
        writer.close()

    assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_a_connection_without_a_request_is_closed_when_it_is_to_be(service: Served) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(request_of())
        await read_answer(reader)
        for connection in list(service.server.connections):
            connection.close_if_idle()
        assert await reader.read() == b""
        writer.close()


async def test_an_answer_that_is_under_way_when_draining_begins_is_one_line_in_the_log(
    service: Served, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = stage.cached_users.get

    async def last(user_id: UUID) -> CachedUser:
        await service.server.before_stop()
        return await look(user_id)

    monkeypatch.setattr(FakeCachedUsers, "get", lambda _, user_id: last(user_id))
    with capture_logs() as logs:
        answer = await answer_to(service)

    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert [line["path"] for line in logs if line["path"] == GENERATE] == [GENERATE]


async def test_a_request_is_one_line_in_the_log_and_one_answer_in_the_figures(service: Served) -> None:
    with capture_logs() as logs:
        await answer_to(service)

    (line,) = [line for line in logs if line["path"] == GENERATE]
    assert line.pop("duration_ms") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "POST",
        "path": GENERATE,
        "status": 200,
        "source": "cache",
        "model_version": "collaborative_filtering_v1",
        "request_id": "one",
    }
    counted = service.server.app.ctx.metrics.registry.get_sample_value(
        "threads_ml_request_duration_seconds_count", {"source": "cache", "status": "200"}
    )
    assert counted == 1


async def test_what_the_user_has_just_seen_is_left_out_and_the_feed_made_anew(service: Served, stage: Stage) -> None:
    await stage.seen_posts.add([UserChange(to_uuid(USER), 8, [post(1)])])

    answer = await answer_to(service, limit=2)

    assert [item["post_id"] for item in answer.page["recommendations"]] == [str(post(2)), str(post(3))]
    assert stage.renewals.noted == {to_uuid(USER)}


SPLIT = st.lists(st.integers(1, 400), max_size=6)
ASKED = st.lists(
    st.sampled_from([{"limit": 1}, {"limit": 2}, {"user_id": "stranger", "limit": 3}, {"limit": 0}]),
    min_size=1,
    max_size=4,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=ASKED, steps=SPLIT)
async def test_however_requests_are_cut_into_packets_the_answers_are_the_same(
    service: Served, asked: list[dict[str, Any]], steps: list[int]
) -> None:
    sent = b"".join(request_of(**one) for one in asked)
    cuts = [0, *itertools.accumulate(steps), len(sent)]
    pieces = [piece for start, end in itertools.pairwise(cuts) if (piece := sent[start:end])]

    answers = await answers_to(service, pieces, len(asked))

    assert [answer.page.get("count", answer.status) for answer in answers] == [one["limit"] or 400 for one in asked]
