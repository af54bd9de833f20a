"""The API's description, for programs and for people."""

import asyncio
import gzip
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import msgspec
from sanic.response import HTTPResponse, file, html, raw

from core.domain.errors import NotFound
from web.accepted_encoding import accept_encoding_of, accepts_gzip
from web.answers import Header
from web.context import App, HttpRequest
from web.openapi import openapi_document

ASSETS_PATH = "/docs/assets"
_MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".png": "image/png"}
_ASSETS = {"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"}
KEEP_SECONDS = 86400
_KEEP = {"Cache-Control": f"max-age={KEEP_SECONDS}"}
_LOOK_AGAIN = {"Cache-Control": "no-cache"}
# What the page needs and nothing more: all of it comes from this process.
_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>threads-ml API</title>
<link rel="stylesheet" href="{ASSETS_PATH}/swagger-ui.css">
<link rel="icon" href="{ASSETS_PATH}/favicon-32x32.png">
</head>
<body>
<div id="description"></div>
<script src="{ASSETS_PATH}/swagger-ui-bundle.js"></script>
<script src="{ASSETS_PATH}/start.js"></script>
</body>
</html>
"""
# Without validatorUrl the page would ask a server on the internet for an opinion.
_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#description", deepLinking: true, validatorUrl: null});\n'


def add_routes(app: App) -> None:
    """GET /openapi.json, GET /docs and what that page loads."""
    app.add_route(show_openapi, "/openapi.json", methods=["GET", "HEAD"])
    app.add_route(show_docs, "/docs", methods=["GET", "HEAD"])
    app.add_route(show_start, f"{ASSETS_PATH}/start.js", methods=["GET", "HEAD"])
    app.add_route(show_asset, f"{ASSETS_PATH}/<name:str>", methods=["GET", "HEAD"])


async def show_openapi(request: HttpRequest) -> HTTPResponse:
    """OpenAPI 3.1 as JSON."""
    settings = request.app.ctx.settings
    document = openapi_document(settings.app_name, settings.app_version, settings.recommendation_batch_size)
    answer = raw(msgspec.json.encode(document), headers=_LOOK_AGAIN, content_type="application/json")
    return await _compressed(request, answer)


async def show_docs(_: HttpRequest) -> HTTPResponse:
    """The description as a page that loads nothing from outside."""
    return html(_PAGE, headers=_LOOK_AGAIN | {"Content-Security-Policy": _SECURITY_POLICY})


async def show_start(_: HttpRequest) -> HTTPResponse:
    """The page's own script: the security policy allows none in the page itself."""
    return raw(_START, headers=_KEEP, content_type=_MEDIA_TYPES[".js"])


async def show_asset(request: HttpRequest, name: str) -> HTTPResponse:
    """A file of Swagger UI, straight from the installed package."""
    if name not in _ASSETS:
        raise NotFound("the page has no such file")
    path = _package_folder() / "static" / name
    media_type = _MEDIA_TYPES[path.suffix]
    answer = await file(path, request_headers=request.headers, mime_type=media_type, max_age=KEEP_SECONDS)
    return answer if path.suffix == ".png" else await _compressed(request, answer)


async def _compressed(request: HttpRequest, answer: HTTPResponse) -> HTTPResponse:
    """The text for whoever takes it so, and for the others as it is."""
    answer.headers[Header.VARY] = "Accept-Encoding"
    if answer.body and accepts_gzip(accept_encoding_of(request)):
        answer.body = await asyncio.to_thread(_gzipped, answer.body)
        answer.headers[Header.CONTENT_ENCODING] = "gzip"
    return answer


@lru_cache(maxsize=8)
def _gzipped(body: bytes) -> bytes:
    """Kept: the largest takes a tenth of a second, and all of them stay as they are while the process lives."""
    return gzip.compress(body, mtime=0)


def _package_folder() -> Path:
    """Found without importing the package, whose code is of no use here."""
    spec = find_spec("swagger_ui")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("the page's files are not installed: swagger-ui-py is missing")
    return Path(spec.submodule_search_locations[0])
