"""Explain a user's list: which model made it, from which history, and what spoke for each post."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from core.application.ports.external_ids import ExternalIds
from core.application.ports.feed_archive import FeedArchive
from core.application.ports.interaction_history import InteractionHistory
from core.application.ports.model_explainer import ModelExplainer
from core.application.ports.model_registry import ModelRegistry
from core.domain.errors import ArtefactRefused, NotFound
from core.domain.explanation import Influence, InfluenceKind, ModelView, PostView
from core.domain.feed import POPULAR_MODEL_VERSION, Feed
from core.domain.history import History
from core.domain.model import ModelRecord, version_number


@dataclass(frozen=True, slots=True)
class FeedExplanation:
    """The stored feed if there is one, and what `model` says of `history`.

    is_as_made: whether these are the model and the history that the stored feed was made of.
    """

    feed: Feed | None
    model: ModelRecord
    history: History
    view: ModelView
    is_as_made: bool


@dataclass(frozen=True, slots=True)
class ExplainFeed:
    """The model that made the stored feed explains it, as of then; else the one that serves, as of now."""

    archive: FeedArchive
    history: InteractionHistory
    registry: ModelRegistry
    explainer: ModelExplainer
    external_ids: ExternalIds
    depth: int

    async def __call__(self, user_id: UUID, post_id: UUID | None, top: int) -> FeedExplanation:
        """`top` posts of the list, or the one that is named with its neighbours' own interactions.

        Raises NotFound for a user without interactions, and where there is no model.
        """
        history = await self.history.read(user_id)
        if not history.interactions:
            raise NotFound("the user has no interactions: such users get popular posts")
        feed = await self.archive.get(user_id)
        as_made = await self._as_made(feed, history, post_id, top)
        return await self._named(as_made or await self._as_of_now(feed, history, post_id, top), post_id)

    async def _as_made(
        self, feed: Feed | None, history: History, post_id: UUID | None, top: int
    ) -> FeedExplanation | None:
        if feed is None or feed.model_version == POPULAR_MODEL_VERSION:
            return None
        record = await self.registry.find(version_number(feed.model_version))
        if record is None or record.pruned_at is not None:
            return None
        until = _until(history, feed)
        try:
            asked = _asked(feed, post_id, top)
            view = await self.explainer.explain(record, feed.generated_at, until, asked, self.depth)
        except ArtefactRefused:
            return None
        return FeedExplanation(feed, record, until, view, is_as_made=True)

    async def _as_of_now(self, feed: Feed | None, history: History, post_id: UUID | None, top: int) -> FeedExplanation:
        serving = (await self.registry.serving()).model
        if serving is None:
            raise NotFound("there is no model yet: everybody gets popular posts")
        view = await self.explainer.explain(serving, None, history, _asked(feed, post_id, top), self.depth)
        return FeedExplanation(feed, serving, history, view, is_as_made=False)

    async def _named(self, explanation: FeedExplanation, post_id: UUID | None) -> FeedExplanation:
        """With the ids' texts, and for one post with what its voters did."""
        view = explanation.view
        if post_id is not None:
            view = replace(view, posts=tuple([await self._with_interactions(post) for post in view.posts]))
        ids = {act.post_id for act in explanation.history.interactions} | {post.post_id for post in view.posts}
        ids |= {neighbour.user_id for neighbour in view.neighbours}
        ids |= {influence.id for post in view.posts for influence in post.influences}
        texts = await self.external_ids.texts_of(ids)
        return replace(explanation, view=replace(view, external_ids=texts))

    async def _with_interactions(self, post: PostView) -> PostView:
        influences = [await self._with_own(influence, post.post_id) for influence in post.influences]
        return replace(post, influences=tuple(influences))

    async def _with_own(self, influence: Influence, post_id: UUID) -> Influence:
        if influence.kind is not InfluenceKind.NEIGHBOUR:
            return influence
        acts = (await self.history.read(influence.id)).interactions
        return replace(influence, interactions=tuple(act for act in acts if act.post_id == post_id))


def _until(history: History, feed: Feed) -> History:
    if feed.built_up_to is None:
        return history
    moment = feed.built_up_to
    return replace(history, interactions=tuple(act for act in history.interactions if act.created_at <= moment))


def _asked(feed: Feed | None, post_id: UUID | None, top: int) -> Sequence[UUID]:
    """The post named, else the first of the stored feed; without one, what the model itself puts first."""
    if post_id is not None:
        return [post_id]
    return [item.post_id for item in feed.recommendations[:top]] if feed is not None else []
