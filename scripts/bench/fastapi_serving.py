"""The service as one would write it first: FastAPI, pydantic and uvicorn, a list from Redis parsed, filtered and sent.

Run as `python -m scripts.bench.fastapi_serving PORT`; REDIS_URL comes from the environment.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field
from redis.asyncio import Redis

from scripts.bench.plain_list import list_key

HOST = "127.0.0.1"
MODEL_VERSION = "collaborative_filtering_v1"


class Body(BaseModel):
    """What callers send."""

    user_id: str = Field(min_length=1, max_length=128)
    limit: int = Field(default=50, ge=1, le=100)
    exclude_post_ids: list[str] = Field(default_factory=list, max_length=1000)


class Recommendation(BaseModel):
    """One post."""

    post_id: str
    score: float
    reason: str


class Page(BaseModel):
    """What callers get."""

    user_id: str
    recommendations: list[Recommendation]
    count: int
    model_version: str


class StoredList(BaseModel):
    """What lies in Redis."""

    recommendations: list[Recommendation]


def create_app(redis_url: str) -> FastAPI:
    """One route."""
    redis = Redis.from_url(redis_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await redis.aclose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/recommendations/generate")
    async def generate(body: Body) -> Page:
        stored = await redis.get(list_key(body.user_id))
        items = StoredList.model_validate_json(stored).recommendations if stored else []
        excluded = set(body.exclude_post_ids)
        chosen = [item for item in items if item.post_id not in excluded][: body.limit]
        return Page(user_id=body.user_id, recommendations=chosen, count=len(chosen), model_version=MODEL_VERSION)

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(os.environ["REDIS_URL"]), host=HOST, port=int(sys.argv[1]), loop="uvloop", http="httptools")
