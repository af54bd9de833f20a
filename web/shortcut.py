"""Cached answers, given before a request is made of what was received."""

import asyncio
from contextlib import suppress
from time import monotonic, perf_counter
from typing import Any, NamedTuple

from sanic.http import Stage
from sanic.server.protocols.http_protocol import HttpProtocol

from core.domain.errors import InvalidInput
from core.domain.feed import FeedSource
from core.domain.job import FeedRequest
from web.answers import page_head_and_body
from web.context import App
from web.json_body import MAX_BODY_BYTES
from web.plain_response import response_bytes
from web.prefer import Preferences, read_preferences
from web.readiness import Phase
from web.request_head import GENERATE_PATH, RequestHead, read_head
from web.request_id import HEADER, own_or_new
from web.requests import body_request, read_body
from web.server_timing import SERVER_TIMING, timing_of, whole_timing

LAST_REQUEST_SECONDS = 0.1  # much longer than a turn of a busy loop, much shorter than a shutdown may take


class _Asked(NamedTuple):
    """began: `perf_counter` when the whole request was there; received: the request, as it came in."""

    began: float
    head: RequestHead
    request: FeedRequest
    received: bytes
    preferences: Preferences | None


class ShortcutProtocol(HttpProtocol):
    """Answers POST /recommendations/generate from the cache; all else goes the long way, through Sanic.

    So does what the cache alone cannot answer, and whatever is unusual or wrong: nothing has been said of it by then.
    """

    __slots__ = ("_answering", "_held", "_needed")

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self._held, self._needed = b"", 0
        self._answering: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        """In turn: who sends another request before the answer to the first one gets the answers in that order."""
        if self._answering is None and not self._held and not self._is_idle():
            super().data_received(data)
            return
        self._time = monotonic()
        self._held += data
        if len(self._held) > max(self._needed, MAX_BODY_BYTES) and self.transport is not None:
            self.transport.pause_reading()
        if self._answering is None and len(self._held) >= self._needed:
            self._take()

    def close_if_idle(self) -> bool:
        """Soon, not at once: a request may have come that has yet to be read, and nobody would answer it."""
        self.loop.call_later(LAST_REQUEST_SECONDS, self._close_if_still_idle)
        return False

    def _close_if_still_idle(self) -> None:
        """Not while an answer is under way, or a request lies there."""
        if self._answering is None and not self._held and not self.recv_buffer:
            super().close_if_idle()

    def check_timeouts(self) -> None:
        """For the rest of a body Sanic waits, which answers at the end of its patience instead of closing silently."""
        if self._held and self._answering is None:
            self._hand_on(b"")
        super().check_timeouts()  # type: ignore[no-untyped-call]

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for the answer any more."""
        if self._answering is not None:
            self._answering.cancel()
        super().connection_lost(exc)  # type: ignore[no-untyped-call]

    def _is_idle(self) -> bool:
        """Whether Sanic has nothing in hand of this connection, and the caller takes what it is sent."""
        http = self.http
        return (
            http is not None
            and http.stage is Stage.IDLE
            and http.request is None  # which may be answered before its body has come
            and http.keep_alive
            and not self.recv_buffer
            and self._can_write.is_set()
        )

    def _take(self) -> None:
        """Begin with the first request that is held."""
        head = read_head(self._held)
        if head is None or self._app.ctx.readiness.phase is Phase.DRAINING:
            self._hand_on(b"")
            return
        end = head.length + head.body_length
        if len(self._held) < end:
            self._needed = end  # the rest of the body is still to come
            self._read_on()
            return
        received, self._held, self._needed = self._held[:end], self._held[end:], 0
        try:
            asked = _asked(self._app, head, received)
        except InvalidInput:
            self._hand_on(received)  # there are words for what is wrong
            return
        self._answering = self.loop.create_task(self._answer(asked))

    async def _answer(self, asked: _Asked) -> None:
        answer = None
        # Whatever goes wrong here is met again on the long way, where it is told.
        with suppress(Exception):
            answer = await _answer_from_cache(self._app, asked)
        self._answering = None
        if self.transport is None or self.transport.is_closing():
            return
        if answer is None:
            self._hand_on(asked.received)
            return
        self.transport.write(answer)
        if len(self._held) <= MAX_BODY_BYTES:  # else more would come with each answer than it took away
            self._read_on()
        if self._held:
            self._take_next()

    def _take_next(self) -> None:
        """What else has been sent meanwhile."""
        if self._is_idle():
            self._take()
        else:
            self._hand_on(b"")

    def _read_on(self) -> None:
        """After a pause, if there was one."""
        if self.transport is not None:
            self.transport.resume_reading()

    def _hand_on(self, received: bytes) -> None:
        """Let Sanic have this and all that has come in since, and what is still to come."""
        data, self._held, self._needed = received + self._held, b"", 0
        super().data_received(data)

    @property
    def _app(self) -> App:
        app: App = self.app
        return app


def _asked(app: App, head: RequestHead, received: bytes) -> _Asked:
    began = perf_counter()
    body = read_body(head.content_type, received[head.length :])
    request = body_request(body, app.ctx.settings.recommendation_batch_size)
    return _Asked(began, head, request, received, read_preferences([head.prefer]) if head.prefer else None)


async def _answer_from_cache(app: App, asked: _Asked) -> bytes | None:
    """As `generate` in web/routes/recommendations.py gives it; None where the cache alone has none."""
    use_cases, request_id = app.ctx.use_cases, own_or_new(asked.head.request_id)
    page = await use_cases.recommend_posts.from_cache(asked.request)
    if page is None or app.ctx.readiness.phase is Phase.DRAINING:
        return None
    found = perf_counter()
    applied = asked.preferences.applied(popular=page.source is FeedSource.POPULAR) if asked.preferences else ""
    headers, body = page_head_and_body(page, use_cases.clock.now(), asked.head.accept_encoding, applied)
    seconds = perf_counter() - asked.began
    headers[HEADER] = request_id
    headers[SERVER_TIMING] = whole_timing(seconds, timing_of(page, 1000 * (found - asked.began)))
    app.ctx.log.answered(
        "POST",
        GENERATE_PATH,
        200,
        seconds,
        source=page.source.value,
        model_version=page.model_version,
        request_id=request_id,
    )
    return response_bytes(headers, body)
