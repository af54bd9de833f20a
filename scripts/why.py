"""`threads-ml why`: which model made a user's list, from what, and what spoke for each post."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer

from core.application.explain_feed import ExplainFeed, FeedExplanation
from core.domain.errors import NotFound
from core.domain.explanation import Influence, InfluenceKind, PostView
from core.domain.feed import Feed, Reason, Recommendation
from core.domain.ids import to_uuid
from core.infrastructure.artefact_model_explainer import ArtefactModelExplainer
from core.infrastructure.artefact_stores import artefact_store
from core.infrastructure.live_tail import Tails
from core.infrastructure.postgres_external_ids import PostgresExternalIds
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_interaction_history import PostgresInteractionHistory
from core.infrastructure.postgres_pool import open_pool
from core.settings import Settings
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, run_to_end
from scripts.wiring import DATABASE_CONNECTIONS, NO_HURRY_SECONDS, model_registry, open_platform

app = command_app()


# Ids may begin with a minus sign.
@app.command(context_settings={"ignore_unknown_options": True})
def why(
    user: Annotated[str, typer.Argument(help="The user's id, as the app writes it.")],
    post: Annotated[str | None, typer.Argument(help="One post's id, to be told all about it.")] = None,
    *,
    top: Annotated[int, typer.Option(min=1, max=1000, help="So many posts, neighbours and reasons.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Explain a user's list, or why one post is or is not in it."""
    explanation, settings = run_to_end(_explained(user, post, top, data_dir))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(_document(explanation)), indent=2).decode())
        return
    for line in _lines(explanation, None if post is None else to_uuid(post), settings.recommendation_min_score, top):
        console.print(line)


async def _explained(user: str, post: str | None, top: int, data_dir: Path) -> tuple[FeedExplanation, Settings]:
    async with open_platform(data_dir) as settings, _open_explanation(settings, top) as explain:
        try:
            return await explain(to_uuid(user), None if post is None else to_uuid(post), top), settings
        except NotFound as error:
            raise NotFound(f"{user}: {error}") from error


@asynccontextmanager
async def _open_explanation(settings: Settings, top: int) -> AsyncIterator[ExplainFeed]:
    async with open_pool(settings.database_url, DATABASE_CONNECTIONS, command_timeout_seconds=NO_HURRY_SECONDS) as pool:
        artefacts = artefact_store(pool, settings.artefact_url, settings.model_path)
        tails = Tails.in_postgres(pool, settings.tail_at_most, settings.interaction_overlap_seconds)
        yield ExplainFeed(
            archive=PostgresFeedArchive(pool),
            history=PostgresInteractionHistory(pool),
            registry=model_registry(pool, settings),
            explainer=ArtefactModelExplainer(artefacts, tails, top),
            external_ids=PostgresExternalIds(pool),
            depth=settings.feed_depth,
        )


def _document(explanation: FeedExplanation) -> dict[str, Any]:
    texts = explanation.view.external_ids
    document: dict[str, Any] = msgspec.to_builtins(
        {
            "feed": _feed_document(explanation.feed),
            "model_version": explanation.model.version,
            "is_as_made": explanation.is_as_made,
            "history": explanation.history.interactions,
            "neighbours": explanation.view.neighbours,
            "posts": explanation.view.posts,
            "external_ids": {str(id_): text for id_, text in texts.items()},
        }
    )
    return document


def _feed_document(feed: Feed | None) -> dict[str, Any] | None:
    """Recommendations by name, which as tuples they would lose."""
    if feed is None:
        return None
    document: dict[str, Any] = msgspec.to_builtins(feed)
    return document | {"recommendations": [msgspec.to_builtins(item._asdict()) for item in feed.recommendations]}


def _lines(explanation: FeedExplanation, post_id: UUID | None, min_score: float, top: int) -> Iterator[str]:
    yield from _feed_lines(explanation)
    yield from _history_lines(explanation, top)
    yield from _neighbour_lines(explanation)
    stored = _stored(explanation)
    for view in explanation.view.posts:
        yield ""
        yield f"post {_text(explanation, view.post_id)}: {_standing(explanation, view, stored, min_score)}"
        yield from _influence_lines(explanation, view, with_interactions=post_id is not None)


def _feed_lines(explanation: FeedExplanation) -> Iterator[str]:
    feed = explanation.feed
    if feed is None:
        yield "no feed is stored"
    else:
        yield (
            f"feed of {feed.model_version}, epoch {feed.order.epoch}, generation {feed.order.generation}: "
            f"{len(feed.recommendations)} posts, made {feed.generated_at:%Y-%m-%d %H:%M:%S}, fresh until "
            f"{feed.expires_at:%Y-%m-%d %H:%M:%S}, interactions up to {feed.built_up_to or 'none'}"
        )
    whose = "as it made the feed" if explanation.is_as_made else "which serves now, with the history of now"
    yield f"explained by {explanation.model.version} ({explanation.model.algorithm}), {whose}"


def _history_lines(explanation: FeedExplanation, top: int) -> Iterator[str]:
    acts, weights = explanation.history.interactions, explanation.view.weights
    yield f"history: {len(acts)} interactions with {len(explanation.history.post_ids)} posts, the latest first"
    for act in list(reversed(acts))[:top]:
        weight = weights.get(act.post_id)
        counts = "unknown to the model" if weight is None else f"the post weighs {weight:.3g}"
        yield f"  {act.created_at:%Y-%m-%d %H:%M} {act.type.value:5} {_text(explanation, act.post_id)}: {counts}"


def _neighbour_lines(explanation: FeedExplanation) -> Iterator[str]:
    if explanation.view.neighbours:
        yield "nearest neighbours"
    for neighbour in explanation.view.neighbours:
        yield f"  {neighbour.similarity:.3f} {_text(explanation, neighbour.user_id)}"


def _stored(explanation: FeedExplanation) -> Mapping[UUID, tuple[int, Recommendation]]:
    items = explanation.feed.recommendations if explanation.feed is not None else ()
    return {item.post_id: (place, item) for place, item in enumerate(items, start=1)}


def _standing(
    explanation: FeedExplanation,
    view: PostView,
    stored: Mapping[UUID, tuple[int, Recommendation]],
    min_score: float,
) -> str:
    """Where the post is in the stored feed, else why it is not."""
    if view.post_id in stored:
        place, item = stored[view.post_id]
        because = "" if item.reason is Reason.COLLABORATIVE_FILTERING else ", because it is popular"
        return f"place {place} with score {item.score:.3f}{because}"
    if view.post_id in explanation.history.post_ids:
        return "not in the list: the user has had it already"
    return _standing_of_unseen(explanation, view, min_score)


def _standing_of_unseen(explanation: FeedExplanation, view: PostView, min_score: float) -> str:
    if not view.is_known:
        learned_up_to = f"{explanation.model.data_up_to:%Y-%m-%d %H:%M}"
        return f"not in the list: the model has never met it (it learned up to {learned_up_to})"
    if view.raw_score <= 0:
        return "not in the list: nothing in the model speaks for it"
    relative = view.raw_score / (explanation.view.best_score or view.raw_score)
    if relative < min_score:
        return f"not in the list: {relative:.3f} of the best score is below RECOMMENDATION_MIN_SCORE={min_score:g}"
    if view.place is None:
        return "not in the list: too many posts are before it"
    return f"place {view.place} if the feed were made like this; no stored feed holds it"


def _influence_lines(explanation: FeedExplanation, view: PostView, *, with_interactions: bool) -> Iterator[str]:
    for influence in view.influences:
        yield _influence_line(explanation, influence)
        for act in influence.interactions if with_interactions else ():
            yield f"      {act.created_at:%Y-%m-%d %H:%M} {act.type.value}"
    left = 1 - sum(influence.share for influence in view.influences)
    if view.influences and left > 0.0005:
        yield f"  {left:6.1%} others"


def _influence_line(explanation: FeedExplanation, influence: Influence) -> str:
    text = _text(explanation, influence.id)
    if influence.kind is InfluenceKind.NEIGHBOUR:
        return f"  {influence.share:6.1%} {text}: similarity {influence.strength:.3f} x vote {influence.vote:.3g}"
    return f"  {influence.share:6.1%} own post {text}: weight {influence.strength:.3g} x link {influence.vote:.3g}"


def _text(explanation: FeedExplanation, id_: UUID) -> str:
    return explanation.view.external_ids.get(id_) or str(id_)


if __name__ == "__main__":
    app()
