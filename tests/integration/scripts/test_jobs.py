"""`threads-ml jobs`, over a real queue with a real worker's dead letters."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from scripts.jobs import app
from tests.integration.worker.test_broker import QUEUE, Stand, wait_until

ANNA, BEN = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"


@pytest.fixture
def stand(broker_url: str, migrated_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    monkeypatch.setenv("DATABASE_URL", migrated_database_url)
    monkeypatch.setenv("BROKER_URL", broker_url)
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return Stand(broker_url, is_ours=True)


@pytest.fixture
def failed(stand: Stand) -> Stand:
    """Two jobs that failed for good, and something that is no message."""

    def fail(_: str) -> None:
        raise RuntimeError("no luck")

    stand.work = fail
    broker = stand.broker()
    stand.redis.hset(f"dramatiq:{QUEUE}.msgs", "broken", b"no json")
    stand.redis.rpush(f"dramatiq:{QUEUE}", "broken")
    with stand.worker(broker):
        for user in (ANNA, BEN):
            broker.generate_feed.send(user_id=user)
        wait_until(lambda: len(stand.dead()) == 3)
    return stand


def jobs(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_failed_jobs_are_listed_with_their_errors(failed: Stand) -> None:
    letters = {letter["id"]: letter for letter in json.loads(jobs("list", "--json").stdout)}
    listed = jobs("list").stdout

    assert {letter["user_id"] for letter in letters.values()} == {ANNA, BEN, None}
    of_anna = next(letter for letter in letters.values() if letter["user_id"] == ANNA)
    assert (of_anna["queue"], of_anna["error"], of_anna["attempts"]) == ("feeds", "RuntimeError('no luck')", 4)
    assert "cannot be read as a message" in letters["broken"]["error"]
    assert of_anna["id"] in listed
    assert json.loads(jobs("show", of_anna["id"][:8]).stdout) == of_anna


def test_what_is_retried_is_done_and_is_dead_no_more(failed: Stand) -> None:
    failed.begun.clear()
    failed.work = lambda user_id: None

    retried = jobs("retry", "--all")

    assert retried.stdout == "2 jobs are in the queue again\n"
    with failed.worker(failed.broker()):
        wait_until(lambda: sorted(failed.begun) == [ANNA, BEN])
    assert list(failed.dead()) == ["broken"]


def test_what_is_retried_has_all_its_attempts_again(failed: Stand) -> None:
    failed.begun.clear()
    jobs("retry", "--all")

    with failed.worker(failed.broker()):
        wait_until(lambda: len(failed.dead()) == 3)

    assert sorted(failed.begun) == [ANNA] * 4 + [BEN] * 4


def test_what_is_dropped_is_gone(failed: Stand) -> None:
    assert jobs("drop", "broken").stdout == "1 jobs are forgotten\n"
    assert jobs("drop", "--all").stdout == "2 jobs are forgotten\n"
    assert jobs("list").stdout == "no job has failed for good\n"
    assert {key.decode() for key in failed.redis.keys("*")} <= {"dramatiq:__heartbeats__"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "nothing"], "there is no dead letter nothing"),
        (["retry"], "say which: either ids, or --all"),
        (["drop", "broken", "--all"], "say which: either ids, or --all"),
        (["retry", "nothing"], "there is no dead letter nothing"),
    ],
)
@pytest.mark.usefixtures("stand")
def test_what_cannot_be_is_one_line(arguments: list[str], said: str) -> None:
    refused = jobs(*arguments)

    assert refused.exit_code == 1
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_ids_that_several_begin_with_are_refused(stand: Stand) -> None:
    for number in range(2):
        stand.redis.zadd(f"dramatiq:{QUEUE}.XQ", {f"same-{number}": 1})

    assert "2 dead letters begin with same" in jobs("show", "same").stderr


@pytest.mark.usefixtures("stand")
def test_a_queue_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "redis://127.0.0.1:1/0")

    refused = jobs("list")

    assert refused.exit_code == 1
    assert refused.stderr.count("\n") == 1
