"""What a worker's broker and actors are made of."""

from typing import Any

import pytest
from dramatiq.middleware import AgeLimit, AsyncIO, Retries, TimeLimit

from core.domain.errors import ConfigurationError
from core.domain.job import Queue
from core.infrastructure.redis_job_queue import ACTOR_NAMES, CHUNK_ACTOR_NAME
from core.settings import Settings
from tests.fakes.freshness_meter import FakeFreshnessMeter
from worker.actors import declare_actors
from worker.broker import build_broker
from worker.lifespan import Lifespan

SETTINGS = Settings(redis_url="redis://127.0.0.1:1/0")


ACTORS = {
    Queue.FEEDS: {ACTOR_NAMES[Queue.FEEDS]},
    Queue.FEEDS_BULK: {ACTOR_NAMES[Queue.FEEDS_BULK], CHUNK_ACTOR_NAME},
}


def broker_of(queue: Queue) -> Any:
    lifespan = Lifespan(SETTINGS, queue, FakeFreshnessMeter())
    broker = build_broker(SETTINGS, [AgeLimit(), TimeLimit(), Retries(), AsyncIO(), lifespan])
    declare_actors(broker, queue, lifespan)
    return broker


@pytest.fixture(params=[(queue, name) for queue, names in ACTORS.items() for name in sorted(names)])
def actor(request: pytest.FixtureRequest) -> Any:
    queue, name = request.param
    return broker_of(queue).actors[name]


@pytest.mark.parametrize("queue", list(Queue))
def test_a_process_has_the_actors_of_its_queue_and_no_others(queue: Queue) -> None:
    broker = broker_of(queue)

    assert set(broker.actors) == ACTORS[queue]
    assert broker.get_declared_queues() == {queue.value}


def test_no_option_is_left_to_dramatiqs_defaults(actor: Any) -> None:
    assert set(actor.options) == {"max_retries", "min_backoff", "max_backoff", "max_age", "time_limit"}
    assert actor.options["max_retries"] == 3


def test_the_queue_is_in_the_database_after_the_feeds() -> None:
    broker = build_broker(SETTINGS, [])

    assert broker.client.connection_pool.connection_kwargs["db"] == 1


def test_the_brokers_client_repeats_nothing_and_waits_for_a_bounded_time() -> None:
    facts = build_broker(SETTINGS, []).client.connection_pool.connection_kwargs

    assert facts["retry"].get_retries() == 0
    assert facts["socket_timeout"] == facts["socket_connect_timeout"] == 5.0


@pytest.mark.parametrize(("verify", "required"), [(False, "none"), (True, "required")])
def test_self_signed_certificates_are_accepted_unless_verification_is_wanted(verify: bool, required: str) -> None:
    settings = Settings(redis_url="rediss://host:6380/0", redis_tls_verify=verify)

    facts = build_broker(settings, []).client.connection_pool.connection_kwargs

    assert facts["ssl_cert_reqs"].name == f"CERT_{required.upper()}"
    assert facts["ssl_check_hostname"] is verify


def test_a_wrong_broker_url_names_the_variable() -> None:
    with pytest.raises(ConfigurationError, match="BROKER_URL"):
        build_broker(Settings(broker_url="somewhere"), [])


def test_before_the_worker_has_booted_there_is_nothing_to_call() -> None:
    with pytest.raises(RuntimeError, match="not booted"):
        _ = Lifespan(SETTINGS, Queue.FEEDS, FakeFreshnessMeter()).parts
