"""Bulk generation the plain way: one `actor.send()` a user, one row a recommendation by the ORM."""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from core.application.ports.interaction_history import InteractionHistory
from core.application.ports.recommender import Recommender
from core.domain.composition import Composition
from core.domain.popular import PopularFeed
from core.infrastructure.postgres_interaction_history import PostgresInteractionHistory
from core.infrastructure.postgres_pool import connect, open_pool
from worker.lifespan import run_on_loop

THREADS = 4
WITHIN_SECONDS = 600.0


class _Base(DeclarativeBase):
    pass


class _Row(_Base):
    __tablename__ = "plain_recommendation"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(index=True)
    post_id: Mapped[UUID]
    score: Mapped[float]
    generated_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class PlainBulk:
    """Dramatiq as it ships, its AsyncIO middleware, SQLAlchemy's session; the same model ranks."""

    def __init__(self, database_url: str, broker_url: str, recommender: Recommender, popular: PopularFeed) -> None:
        self._database_url, self._broker_url = database_url, broker_url
        self._recommender, self._popular = recommender, popular

    async def prepare(self) -> None:
        """Make the table."""
        engine = self._engine()
        async with engine.begin() as connection:
            await connection.run_sync(_Base.metadata.drop_all)
            await connection.run_sync(_Base.metadata.create_all)
        await engine.dispose()

    def run(self, user_ids: Sequence[UUID], composition: Composition) -> float:
        """Seconds from the first message to the last feed; call it in a thread without an event loop."""
        broker = RedisBroker(  # type: ignore[no-untyped-call]  # Dramatiq's constructor carries no types
            url=self._broker_url, namespace="plain", middleware=[AsyncIO()]
        )
        client = redis.Redis.from_url(self._broker_url)
        sessions = async_sessionmaker(self._engine())
        opened = AsyncExitStack()

        async def generate(user_id: str) -> None:
            async with sessions() as session:
                await self._generate(PostgresInteractionHistory(pool), session, UUID(user_id), composition)
            client.set(f"plain:feed:{user_id}", b"1", ex=3600)

        actor: Any = dramatiq.actor(broker=broker, queue_name="plain")(generate)
        worker = dramatiq.Worker(broker, worker_threads=THREADS, worker_timeout=50)
        worker.start()
        pool = run_on_loop(opened.enter_async_context(open_pool(self._database_url, THREADS)))
        try:
            began = time.perf_counter()
            for user_id in user_ids:
                actor.send(str(user_id))
            broker.join("plain", timeout=int(WITHIN_SECONDS * 1000))
            worker.join()
            return time.perf_counter() - began
        finally:
            run_on_loop(opened.aclose())
            run_on_loop(sessions.kw["bind"].dispose())
            worker.stop()
            broker.client.close()
            client.close()

    async def _generate(
        self, history_of: InteractionHistory, session: AsyncSession, user_id: UUID, composition: Composition
    ) -> None:
        history = await history_of.read(user_id)
        ranking = await self._recommender.rank(history, composition.depth)
        now = datetime.now(UTC).replace(tzinfo=None)
        await session.execute(delete(_Row).where(_Row.user_id == user_id))
        session.add_all([
            _Row(
                id=uuid4(),
                user_id=user_id,
                post_id=item.post_id,
                score=item.score,
                generated_at=now,
                expires_at=now + timedelta(hours=24),
            )
            for item in composition.compose(ranking, self._popular, history.post_ids)
        ])  # fmt: skip
        await session.commit()

    def _engine(self) -> AsyncEngine:
        return create_async_engine(
            "postgresql+asyncpg://", async_creator=lambda *_: connect(self._database_url), pool_size=THREADS
        )
