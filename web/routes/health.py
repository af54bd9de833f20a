"""Does the process live, and does it want requests?"""

from sanic.response import HTTPResponse, json

from web.context import App, HttpRequest


def add_routes(app: App) -> None:
    """GET /health and GET /ready."""
    app.add_route(show_health, "/health", methods=["GET", "HEAD"])
    app.add_route(show_readiness, "/ready", methods=["GET", "HEAD"])


async def show_health(request: HttpRequest) -> HTTPResponse:
    """The process lives; nothing else is asked."""
    return json({"status": "healthy", "service": request.app.ctx.settings.app_name})


async def show_readiness(request: HttpRequest) -> HTTPResponse:
    """What the service does without; raises NotReady before the first readiness and while draining."""
    request.app.ctx.readiness.check()
    degraded = await request.app.ctx.use_cases.find_degradations()
    return json({"status": "ready", "degraded": degraded}, headers={"Cache-Control": "no-store"})
