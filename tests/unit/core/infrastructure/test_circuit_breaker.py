"""When calls are refused, and when they go through again."""

import asyncio
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from core.infrastructure.circuit_breaker import CircuitBreaker, CircuitState

WITHIN_SECONDS = 20


class Refused(Exception):
    """What a caller is told while the breaker is open."""


@dataclass
class Server:
    """Calls through a breaker, and the seconds that pass."""

    seconds: float = 0.0
    calls: int = 0
    breaker: CircuitBreaker = field(init=False)

    def __post_init__(self) -> None:
        self.breaker = CircuitBreaker("redis", failures_in_a_row=3, rest_seconds=2.0, now=lambda: self.seconds)

    def ask(self, error: BaseException | None = None) -> None:
        with self.breaker.call(Refused(), OSError):
            self.calls += 1
            if error is not None:
                raise error

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            with pytest.raises(OSError, match="silent"):
                self.ask(OSError("silent"))

    def refuse(self) -> None:
        with pytest.raises(Refused):
            self.ask()


@pytest.fixture
def server() -> Server:
    return Server()


def test_after_some_failures_in_a_row_calls_are_refused_without_being_made(server: Server) -> None:
    server.fail(3)

    server.refuse()

    assert (server.calls, server.breaker.state) == (3, CircuitState.OPEN)


def test_an_answer_in_between_begins_the_count_anew(server: Server) -> None:
    server.fail(2)
    server.ask()
    server.fail(2)

    server.ask()

    assert server.breaker.state is CircuitState.CLOSED


def test_an_error_that_the_server_answers_with_is_an_answer(server: Server) -> None:
    server.fail(2)
    with pytest.raises(ValueError, match="wrong"):
        server.ask(ValueError("wrong"))
    server.fail(2)

    assert server.breaker.state is CircuitState.CLOSED


def test_after_a_rest_one_call_goes_through_and_closes_it(server: Server) -> None:
    server.fail(3)
    server.seconds = 2.0

    server.ask()
    server.ask()

    assert (server.calls, server.breaker.state) == (5, CircuitState.CLOSED)


def test_a_rest_begins_anew_when_the_server_still_fails(server: Server) -> None:
    server.fail(3)
    server.seconds = 2.0
    server.fail()
    server.seconds = 3.9
    server.refuse()
    server.seconds = 4.0

    server.ask()

    assert server.breaker.state is CircuitState.CLOSED


def test_while_one_call_sees_whether_the_server_is_back_others_are_refused(server: Server) -> None:
    server.fail(3)
    server.seconds = 2.0

    with server.breaker.call(Refused(), OSError):
        server.refuse()

    assert server.breaker.state is CircuitState.CLOSED


def test_a_cancelled_call_says_nothing_and_the_next_one_sees(server: Server) -> None:
    server.fail(3)
    server.seconds = 2.0
    with pytest.raises(asyncio.CancelledError):
        server.ask(asyncio.CancelledError())

    assert server.breaker.state is CircuitState.OPEN
    server.ask()
    assert server.breaker.state is CircuitState.CLOSED


def test_each_change_of_state_is_one_line_in_the_log(server: Server) -> None:
    with capture_logs() as logs:
        server.fail(3)
        server.refuse()
        server.seconds = 2.0
        server.fail()
        server.seconds = 4.0
        server.ask()

    assert [(line["event"], line["server"]) for line in logs] == [
        ("circuit_opened", "redis"),
        ("circuit_closed", "redis"),
    ]


async def test_others_leave_the_call_after_a_rest_to_the_prober_unless_it_makes_none(server: Server) -> None:
    async with server.breaker.probed(asyncio.Event().wait):
        server.fail(3)
        server.seconds = 2.0
        server.refuse()

        server.seconds = 4.0
        server.ask()

    assert server.breaker.state is CircuitState.CLOSED


async def test_the_prober_asks_until_the_server_is_back() -> None:
    breaker = CircuitBreaker("redis", failures_in_a_row=1, rest_seconds=0.001)
    outcomes: list[OSError | None] = [OSError("silent"), OSError("silent"), None]

    async def ask() -> None:
        with breaker.call(Refused(), OSError):
            if (error := outcomes.pop(0)) is not None:
                raise error

    async with breaker.probed(ask):
        with pytest.raises(OSError, match="silent"):
            await ask()
        async with asyncio.timeout(WITHIN_SECONDS):
            while breaker.state is CircuitState.OPEN:  # noqa: ASYNC110 - it tells the log alone
                await asyncio.sleep(0.001)

    assert outcomes == []
