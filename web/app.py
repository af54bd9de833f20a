"""The Sanic application: its limits and what it is put together from."""

from uuid import uuid4

from sanic import Config, Sanic

from core.settings import Settings
from web.bounded_request import DISCARDED_BYTES, BoundedRequest
from web.context import App, OpenUseCases, WebContext
from web.errors import ProblemAnswers
from web.lifespan import add_lifespan
from web.request_log import add_request_log
from web.routes import description, health, interactions, jobs, posts, recommendations

KEEP_ALIVE_SECONDS = 120  # routers keep connections for 90 s: the longer side must be this one
SHUTDOWN_SECONDS = 20.0  # platforms kill after 30 s
RESPONSE_SECONDS = 60


def create_app(settings: Settings, open_use_cases: OpenUseCases) -> App:
    """An application under a name of its own; the use cases are opened and closed with the server."""
    app: App = Sanic(
        f"threads-ml-{uuid4().hex}",
        config=_config(settings),
        ctx=WebContext(settings),
        error_handler=ProblemAnswers(),
        request_class=BoundedRequest,
        configure_logging=False,
    )
    add_request_log(app)
    for routes in (health, recommendations, jobs, interactions, posts, description):
        routes.add_routes(app)
    add_lifespan(app, open_use_cases)
    return app


def _config(settings: Settings) -> Config:
    config = Config(env_prefix="")  # settings come from core.settings alone
    config.REQUEST_MAX_SIZE = DISCARDED_BYTES
    config.KEEP_ALIVE_TIMEOUT = KEEP_ALIVE_SECONDS
    config.RESPONSE_TIMEOUT = RESPONSE_SECONDS
    config.GRACEFUL_SHUTDOWN_TIMEOUT = SHUTDOWN_SECONDS
    config.PROXIES_COUNT = settings.proxies_count or None
    config.ACCESS_LOG = False
    config.MOTD = False
    return config
