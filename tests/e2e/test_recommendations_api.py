"""The whole way: interactions, training, jobs, feeds in Redis and Postgres, answers over HTTP."""

import asyncio
import json
import signal
import socket
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncpg
import httpx
import psutil
import redis

from core.domain.model import version_number
from tests.e2e.conftest import Service, wait_until

DEMO_USER = "027baf23-101f-48d2-b7d1-4a23e6cf8e4a"
Result = TypeVar("Result")


def test_health_says_that_the_process_lives(api: httpx.Client) -> None:
    answer = api.get("/health")

    assert answer.status_code == 200
    assert answer.json() == {"status": "healthy", "service": "threads-ml-service"}


def test_a_service_that_was_just_started_is_well(service: Service) -> None:
    checked = service.command("status", "--check")

    assert (checked.returncode, checked.stdout) == (0, "all is well: 7 figures are within their thresholds\n")


def test_a_user_nobody_knows_gets_popular_posts_at_once(api: httpx.Client) -> None:
    answer = api.post("/recommendations/generate", json={"user_id": "test-user", "limit": 10})

    body = answer.json()
    assert answer.status_code == 200
    assert body["user_id"] == "test-user"
    assert body["count"] == 10 == len(body["recommendations"])
    assert {item["reason"] for item in body["recommendations"]} == {"popular"}
    assert answer.headers["feed-source"] == "popular"


def test_a_known_user_gets_personal_posts_and_then_popular_ones_from_the_cache(api: httpx.Client) -> None:
    body = {"user_id": DEMO_USER, "limit": 50, "exclude_post_ids": ["post-id-1", "post-id-2"]}

    answer = api.post("/recommendations/generate", json=body)

    items = answer.json()["recommendations"]
    scores = [item["score"] for item in items]
    assert answer.status_code == 200
    assert answer.headers["feed-source"] == "cache"
    assert len(items) == 50
    assert scores == sorted(scores, reverse=True)
    reasons = [item["reason"] for item in items]
    personal = reasons.count("collaborative_filtering")
    assert personal >= 5
    assert reasons == ["collaborative_filtering"] * personal + ["popular"] * (50 - personal)
    assert answer.json()["model_version"].startswith("collaborative_filtering_v")


def test_nothing_the_user_has_seen_is_recommended(service: Service, api: httpx.Client) -> None:
    seen = {str(row["post_id"]) for row in query(service, "select post_id from user_interaction where user_id = $1")}

    answer = api.post("/recommendations/generate", json={"user_id": DEMO_USER, "limit": 100})

    assert seen
    assert not seen & {item["post_id"] for item in answer.json()["recommendations"]}


def test_excluded_posts_are_left_out_and_pages_never_repeat(api: httpx.Client) -> None:
    first = api.post("/recommendations/generate", json={"user_id": DEMO_USER, "limit": 20}).json()
    excluded = [item["post_id"] for item in first["recommendations"][:5]]

    without = api.post(
        "/recommendations/generate", json={"user_id": DEMO_USER, "limit": 20, "exclude_post_ids": excluded}
    ).json()
    second = api.post(
        "/recommendations/generate", json={"user_id": DEMO_USER, "limit": 20, "cursor": first["next_cursor"]}
    ).json()

    assert without["count"] == 20
    assert not set(excluded) & {item["post_id"] for item in without["recommendations"]}
    assert second["count"] == 20
    assert not {item["post_id"] for item in first["recommendations"]} & {
        item["post_id"] for item in second["recommendations"]
    }


def test_feeds_are_in_redis_and_in_the_view_that_readers_use(service: Service) -> None:
    rows = query(service, "select * from user_recommendation where user_id = $1 order by score desc")

    assert list(rows[0].keys()) == ["id", "user_id", "post_id", "score", "generated_at", "expires_at"]
    assert len(rows) == len({row["post_id"] for row in rows}) > 50
    with redis.Redis.from_url(service.status()["redis_url"]) as cache:
        assert cache.ttl(f"feed:{DEMO_USER}") > 0


def test_a_missing_feed_is_generated_while_the_caller_waits(service: Service, api: httpx.Client) -> None:
    newcomer = imitate_demo_user(service)

    answer = api.post(
        "/recommendations/generate", json={"user_id": newcomer, "limit": 10}, headers={"Prefer": "wait=20"}
    )

    assert answer.status_code == 200
    assert answer.headers["feed-source"] == "generated"
    assert answer.json()["recommendations"][0]["reason"] == "collaborative_filtering"
    assert api.get(f"/recommendations/{newcomer}").headers["feed-source"] == "cache"


def test_the_callers_request_id_is_in_the_workers_log_line_of_that_job(service: Service, api: httpx.Client) -> None:
    newcomer, request_id = imitate_demo_user(service), f"request-{uuid.uuid4()}"
    headers = {"Prefer": "wait=20", "X-Request-ID": request_id}

    answer = api.post("/recommendations/generate", json={"user_id": newcomer, "limit": 1}, headers=headers)

    log = service.folder / ".threads-ml" / "logs" / "worker.log"
    wait_until(lambda: request_id in log.read_text(), 10, "the worker has logged the job")
    (line,) = [json.loads(line) for line in log.read_text().splitlines() if request_id in line]
    assert answer.headers["x-request-id"] == request_id
    assert (line["user_id"], line["model_version"]) == (newcomer, answer.json()["model_version"])


def test_without_a_worker_the_caller_takes_a_ticket_that_is_honoured_later(service: Service, api: httpx.Client) -> None:
    newcomer = imitate_demo_user(service)
    best = api.post("/recommendations/generate", json={"user_id": DEMO_USER, "limit": 1}).json()
    excluded = best["recommendations"][0]["post_id"]

    with suspended(service.processes("worker", "feeds")):
        taken = api.post(
            "/recommendations/generate", json={"user_id": newcomer, "limit": 7, "exclude_post_ids": [excluded]}
        )
        waiting = api.get(taken.headers["location"])

    assert taken.status_code == 202
    assert int(taken.headers["retry-after"]) >= 1
    assert waiting.json()["state"] in {"queued", "running"}
    wait_until(lambda: api.get(taken.headers["location"]).json()["state"] == "succeeded", 30, "the job is done")
    result = api.get(taken.headers["location"]).json()["result"]
    assert result["count"] == 7
    assert excluded not in {item["post_id"] for item in result["recommendations"]}


def test_the_job_of_a_caller_who_went_away_is_done_all_the_same(service: Service, api: httpx.Client) -> None:
    newcomer = imitate_demo_user(service)
    body = json.dumps({"user_id": newcomer}).encode()
    head = f"POST /recommendations/generate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nPrefer: wait=25\r\n"

    with (
        redis.Redis.from_url(service.status()["broker_url"]) as broker,
        suspended(service.processes("worker", "feeds")),
        socket.create_connection(("127.0.0.1", api.base_url.port)) as caller,
    ):
        caller.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        wait_until(lambda: broker.exists(f"job:{newcomer}") == 1, 10, "the job is in the queue")

    wait_until(lambda: api.get(f"/recommendations/{newcomer}").status_code == 200, 30, "the feed is stored")


def test_stored_feeds_are_served_from_postgres_while_redis_is_away(service: Service, api: httpx.Client) -> None:
    with suspended(service.processes("valkey-server")):
        answer = api.post("/recommendations/generate", json={"user_id": DEMO_USER, "limit": 10})

    assert answer.status_code == 200
    assert answer.headers["feed-source"] == "archive"
    assert answer.json()["count"] == 10


def test_a_second_training_serves_without_a_restart(service: Service, api: httpx.Client) -> None:
    first = service.status()["model"]["version"]

    trained = service.command("train")

    second = service.status()["model"]["version"]
    assert trained.returncode == 0, trained.stderr
    assert version_number(second) == version_number(first) + 1
    wait_until(lambda: version_of_a_new_feed(service, api) == second, 30, "a new feed is of the second model")


def test_a_model_taken_back_makes_no_more_lists_and_nobody_gets_an_error(service: Service) -> None:
    before = service.status()["model"]["version"]
    assert service.command("train", "--no-gate").returncode == 0
    wait_until(lambda: served_to(service, DEMO_USER) != before, 30, "the new model has made the feed")

    back = service.command("models", "rollback")

    assert back.returncode == 0, back.stderr
    wait_until(lambda: served_to(service, DEMO_USER) == before, 15, "the old model has made the feed again")


def served_to(service: Service, user: str) -> str:
    """Which model made the feed that the user gets; a new feed is asked for each time."""
    query(service, "update feed set expires_at = now() where user_id = $1")
    with redis.Redis.from_url(service.status()["redis_url"]) as cache:
        cache.flushdb()
    answer = httpx.post(f"{service.url}/recommendations/generate", json={"user_id": user}, timeout=30)
    assert answer.status_code == 200
    version: str = answer.json()["model_version"]
    return version


def test_a_second_up_in_the_same_folder_says_that_one_is_running(service: Service) -> None:
    second = service.command("up")

    assert second.returncode == 1
    assert "running already" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1


def version_of_a_new_feed(service: Service, api: httpx.Client) -> str:
    newcomer = imitate_demo_user(service)
    answer = api.post(
        "/recommendations/generate", json={"user_id": newcomer, "limit": 1}, headers={"Prefer": "wait=20"}
    )
    version: str = answer.json()["model_version"]
    return version


def imitate_demo_user(service: Service) -> str:
    """A user without a feed, who has just done what the demo user did last."""
    newcomer = str(uuid.uuid4())

    async def copy(connection: Any) -> None:
        await connection.execute(
            "insert into user_interaction (id, user_id, post_id, interaction_type) "
            "select gen_random_uuid(), $2, post_id, interaction_type from user_interaction where user_id = $1 "
            "order by created_at desc limit 20",
            DEMO_USER,
            newcomer,
        )

    with_database(service, copy)
    return newcomer


def query(service: Service, statement: str) -> list[Any]:
    """Rows of a statement about the demo user."""

    async def fetch(connection: Any) -> list[Any]:
        rows: list[Any] = await connection.fetch(statement, DEMO_USER)
        return rows

    return with_database(service, fetch)


def with_database(service: Service, work: Callable[[Any], Awaitable[Result]]) -> Result:
    async def connected() -> Result:
        connection = await asyncpg.connect(service.status()["database_url"])
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())


@contextmanager
def suspended(processes: list[psutil.Process]) -> Iterator[None]:
    """The processes take no step inside the block, as if they were gone, and go on after it."""
    assert processes
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def test_a_hidden_post_is_in_no_answer_from_then_on_and_comes_back_when_it_is_shown(api: httpx.Client) -> None:
    asked = {"user_id": DEMO_USER, "limit": 100}
    (first, *_), popular = posts_of(api, asked), posts_of(api, {"user_id": "somebody new", "limit": 100})
    for post_id in (first, popular[0]):
        assert api.put(f"/posts/{post_id}", json={"hidden": True}).status_code == 200

    hidden = posts_of(api, asked), posts_of(api, {"user_id": "somebody new", "limit": 100})
    for post_id in (first, popular[0]):
        api.put(f"/posts/{post_id}", json={})

    assert all(first not in posts and popular[0] not in posts for posts in hidden)
    assert posts_of(api, asked)[0] == first


def test_a_post_just_seen_is_in_no_answer_from_then_on_and_min_seq_waits_for_a_list_that_knows_of_it(
    api: httpx.Client,
) -> None:
    asked = {"user_id": DEMO_USER, "limit": 100}
    seen = posts_of(api, asked)[0]
    event = {"user_id": DEMO_USER, "post_id": seen, "interaction_type": "like"}

    told = api.post("/interactions", json=event).json()
    at_once = posts_of(api, asked)
    renewed = api.post(
        "/recommendations/generate", json={**asked, "min_seq": told["sequence"]}, headers={"Prefer": "wait=25"}
    )
    unknown = api.post("/recommendations/generate", json={**asked, "min_seq": told["sequence"] + 1_000_000})

    assert seen not in at_once
    assert renewed.status_code == 200
    assert renewed.json()["sequence"] >= told["sequence"]
    assert seen not in [item["post_id"] for item in renewed.json()["recommendations"]]
    assert (unknown.status_code, unknown.json()["type"]) == (422, "urn:threads-ml:problem:sequence-unknown")


def test_somebody_without_a_history_gets_personal_posts_for_what_was_just_looked_at(
    service: Service, api: httpx.Client
) -> None:
    liked = [str(row["post_id"]) for row in query(service, "select post_id from user_interaction where user_id = $1")]
    asked = {"recent_post_ids": liked[:5], "limit": 20}

    answer = api.post("/recommendations/generate", json=asked, headers={"Prefer": "wait=25"})
    again = api.post("/recommendations/generate", json=asked)
    body = answer.json()
    following = {"user_id": body["user_id"], "limit": 20, "cursor": body["next_cursor"]}

    assert (answer.headers["feed-source"], again.headers["feed-source"]) == ("generated", "cache")
    assert body["recommendations"][0]["reason"] == "collaborative_filtering"
    first, second = posts_of(api, asked), posts_of(api, following)
    assert not set(liked[:5]) & {*first, *second}
    assert not set(first) & set(second)


def posts_of(api: httpx.Client, body: dict[str, Any]) -> list[str]:
    answer = api.post("/recommendations/generate", json=body)
    assert answer.status_code == 200, answer.text
    return [item["post_id"] for item in answer.json()["recommendations"]]
