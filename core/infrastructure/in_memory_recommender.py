"""The champion, loaded into this process with what has happened since, and exchanged while jobs go on."""

import asyncio
from types import TracebackType
from typing import NamedTuple, Self, cast
from uuid import UUID

import structlog

from core.application.ports.artefact_store import ArtefactStore
from core.application.ports.model_registry import ModelRegistry
from core.domain.composition import Composition
from core.domain.errors import ArtefactRefused, ConfigurationError, StorageFull, ThreadsMlError
from core.domain.history import History, HistoryBatch
from core.domain.model import ModelRecord, Serving
from core.domain.popular import PopularFeed
from core.domain.ranking import ComposedFeeds, Ranking, Recollection
from core.infrastructure.blocked_posts import BlockedPosts
from core.infrastructure.feed_composer import FeedComposer
from core.infrastructure.hidden_keys import HiddenChange
from core.infrastructure.history_arrays import HistoryArrays
from core.infrastructure.joblib_model_file import read_model
from core.infrastructure.live_tail import LiveTail, Tails
from core.infrastructure.ranking_model import RankingModel
from core.infrastructure.task_ending import end_task

# Long enough to load what lies on the local disk; a job that waited for a download would outlast its caller.
CATCH_UP_SECONDS = 0.5
TRY_REFUSED_AGAIN_SECONDS = 30.0
READ_TAIL_SECONDS = 1.0
PAUSE_FOR_WORK = 9
"""Taking in what has come and making the votes anew is a tenth of one core's time at the most."""


class _Loaded(NamedTuple):
    """One model with its name and epoch: exchanged as a whole, so that no job sees half of each.

    model: with the votes of the tail and without what is blocked.
    """

    model: RankingModel | None
    composer: FeedComposer
    version: str | None
    epoch: int
    tail: LiveTail | None = None

    def showing(self, model: RankingModel, blocked: BlockedPosts) -> "_Loaded":
        """The same by this model, but for what is blocked."""
        shown = model.without(blocked.among(model.posts))
        return self._replace(model=shown, composer=FeedComposer(shown))


class InMemoryRecommender:
    """Looks at the registry every few seconds; a model that is refused leaves the old one in place."""

    def __init__(
        self, registry: ModelRegistry, artefacts: ArtefactStore, poll_seconds: float, tails: Tails | None = None
    ) -> None:
        """tails: None for models that know nothing but what they were trained on."""
        self._tails = tails
        self._blocked = BlockedPosts()
        self._reading_on: asyncio.Task[None] | None = None
        self._registry = registry
        self._artefacts = artefacts
        self._poll_seconds = poll_seconds
        self._loaded = _Loaded(None, FeedComposer(None), None, 0)
        self._refused: str | None = None
        self._try_again_at = 0.0
        self._following = asyncio.Lock()
        self._polling: asyncio.Task[None] | None = None
        self._catching_up: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.follow_registry()
        self._polling = asyncio.create_task(self._poll())
        if self._tails is not None:
            self._reading_on = asyncio.create_task(self._read_on_for_ever())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in (self._polling, self._catching_up, self._reading_on):
            if task is not None:
                await end_task(task)

    @property
    def loaded_version(self) -> str | None:
        """The model that answers now, None before the first."""
        return self._loaded.version

    @property
    def loaded_model(self) -> RankingModel | None:
        """The same itself."""
        return self._loaded.model

    async def rank(self, history: History, limit: int) -> Ranking:
        """Rank with the model that is loaded at this moment, in a thread: the event loop stays free.

        A history that was read after another promotion waits a little for the model that serves since.
        """
        if history.epoch > self._loaded.epoch:
            await self._catch_up()
        loaded = self._loaded
        if loaded.model is None:
            return Ranking(epoch=loaded.epoch)
        posts = await asyncio.to_thread(loaded.model.rank, history, limit)
        return Ranking(posts, loaded.version, loaded.epoch)

    async def recall(self, user_id: UUID, limit: int) -> Recollection | None:
        """Rank what the loaded model has learned of the user, in a thread as well; what serves by now is not asked."""
        loaded = self._loaded
        recalled = await asyncio.to_thread(loaded.model.recall, user_id, limit) if loaded.model is not None else None
        if recalled is None:
            return None
        return Recollection(Ranking(recalled.ranked, loaded.version, loaded.epoch), recalled.post_ids)

    async def compose_many(
        self, histories: HistoryBatch, popular: PopularFeed, composition: Composition
    ) -> ComposedFeeds:
        """By arrays, in a thread that lets go of the interpreter for most of the time."""
        if histories.epoch > self._loaded.epoch:
            await self._catch_up()
        loaded = self._loaded
        feeds, may_have_texts = await asyncio.to_thread(
            loaded.composer.compose, cast(HistoryArrays, histories), popular, composition
        )
        return ComposedFeeds(feeds, may_have_texts, loaded.version, loaded.epoch)

    def block(self, change: HiddenChange) -> None:
        """From now on recommend no post that is hidden, and those that are shown again."""
        self._blocked.change(change)
        model = self._loaded.model
        if model is not None and model.knows_any_of([*change.hidden, *change.shown]):
            self._loaded = self._loaded.showing(model, self._blocked)

    async def read_on(self) -> bool:
        """Take in what has happened since the last time; whether anything had."""
        tail = self._loaded.tail
        model = await tail.read_on() if tail is not None else None
        # Another model may have been loaded meanwhile.
        if model is not None and self._loaded.tail is tail:
            self._loaded = self._loaded.showing(model, self._blocked)
        return model is not None

    async def follow_registry(self) -> None:
        """Load what the registry says should serve, unless it does already. Raises ArchiveUnavailable."""
        async with self._following:
            await self._follow(await self._registry.serving())

    async def _follow(self, serving: Serving) -> None:
        here = self._loaded.version, self._loaded.epoch
        if serving.model is None:
            # Popular feeds of an older epoch would lose to what is stored.
            self._loaded = self._loaded._replace(epoch=serving.epoch)
            return
        if here == (serving.model.version, serving.epoch):
            return
        if self._was_just_refused(serving.model):
            self._loaded = self._loaded._replace(epoch=serving.epoch)
            return
        try:
            self._loaded = await self._load(serving.model, serving)
        except (ArtefactRefused, StorageFull, ConfigurationError) as error:
            if isinstance(error, ConfigurationError) and self._polling is None:
                raise  # a process that begins like this has a wrong setting; one at work goes on with what it has
            # The epoch is followed all the same: feeds of an older one would lose to what is stored.
            self._loaded = self._loaded._replace(epoch=serving.epoch)
            self._refuse(serving.model.version, error)
        else:
            self._refused = None
            takes_tail = self._loaded.tail is not None
            structlog.get_logger().info(
                "model_loaded", model_version=serving.model.version, epoch=serving.epoch, takes_tail=takes_tail
            )

    async def _catch_up(self) -> None:
        """All jobs wait for one loading, which goes on where their time is over."""
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.create_task(self._followed())
        await asyncio.wait([self._catching_up], timeout=CATCH_UP_SECONDS)

    async def _load(self, record: ModelRecord, serving: Serving) -> _Loaded:
        if record.version == self._loaded.version:
            return self._loaded._replace(epoch=serving.epoch)
        path = await self._artefacts.fetch(record.sha256)
        arrays = await asyncio.to_thread(read_model, path, record.sha256)
        model = RankingModel.from_arrays(arrays)
        tail = self._tails.of(model, record) if self._tails is not None else None
        tailed = await tail.read_on() if tail is not None else None
        loaded = _Loaded(None, FeedComposer(None), record.version, serving.epoch, tail)
        return loaded.showing(tailed or model, self._blocked)

    def _was_just_refused(self, record: ModelRecord) -> bool:
        """Its bytes need not be fetched again and again; somebody may mend them, though, or make room."""
        return record.version == self._refused and asyncio.get_running_loop().time() < self._try_again_at

    def _refuse(self, version: str, error: ThreadsMlError) -> None:
        if self._refused != version:
            structlog.get_logger().error("model_refused", model_version=version, reason=str(error))
        self._refused = version
        self._try_again_at = asyncio.get_running_loop().time() + TRY_REFUSED_AGAIN_SECONDS

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self._followed()

    async def _read_on_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        spent_seconds = 0.0
        while True:
            await asyncio.sleep(max(READ_TAIL_SECONDS, PAUSE_FOR_WORK * spent_seconds))
            began, has_come = loop.time(), False
            try:
                has_come = await self.read_on()
            except Exception:
                # A mistake of ours: it is logged each time, and must not make this reading the last.
                structlog.get_logger().exception("tail_not_read")
            # Waiting for a Postgres that does not answer is no work.
            spent_seconds = loop.time() - began if has_come else 0.0

    async def _followed(self) -> None:
        """Whatever goes wrong, the next champion must not be missed."""
        try:
            await self.follow_registry()
        except ThreadsMlError as error:
            structlog.get_logger().warning("registry_not_read", error=str(error))
        except Exception:
            structlog.get_logger().exception("registry_not_read")
