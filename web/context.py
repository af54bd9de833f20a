"""What belongs to one web process, and the types of Sanic's objects that carry it."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from time import perf_counter
from types import SimpleNamespace
from typing import Protocol

from sanic import Config, Request, Sanic

from core.domain.errors import Unavailable
from core.settings import Settings
from web.answer_log import AnswerLog
from web.metrics import WebMetrics
from web.readiness import Readiness
from web.wiring import UseCases


class OpenUseCases(Protocol):
    """Opens what the process is made of, and closes it at the end of the block."""

    def __call__(self, settings: Settings) -> AbstractAsyncContextManager[UseCases]: ...


@dataclass(slots=True)
class WebContext:
    """Lies at `app.ctx`; `opened` is there from before the first request to after the last."""

    settings: Settings
    readiness: Readiness = field(default_factory=Readiness)
    metrics: WebMetrics = field(default_factory=WebMetrics)
    log: AnswerLog = field(init=False)
    opened: UseCases | None = None

    def __post_init__(self) -> None:
        self.log = AnswerLog(self.metrics)

    @property
    def use_cases(self) -> UseCases:
        """Raises Unavailable outside the server's life."""
        if self.opened is None:
            raise Unavailable("the process is not serving yet, or no longer")
        return self.opened


class RequestContext(SimpleNamespace):
    """Lies at `request.ctx`: what the line in the log and the headers of every answer are made of.

    began: `perf_counter` when the request's head was there; timing: what Server-Timing says beyond the whole.
    """

    began: float
    request_id: str = ""
    model_version: str | None = None
    timing: str = ""

    def __init__(self) -> None:
        super().__init__(began=perf_counter())


App = Sanic[Config, WebContext]
HttpRequest = Request[App, RequestContext]
