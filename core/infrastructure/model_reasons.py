"""What a loaded model says of one history, with ids on the outside."""

from collections.abc import Sequence
from uuid import UUID

import numpy as np

from core.domain.explanation import Influence, InfluenceKind, ModelView, Neighbour, PostView
from core.domain.history import History
from core.infrastructure.ranking_model import Query, RankingModel
from core.recommender.algorithm import Contributions
from core.recommender.user_knn import UserKNN


def reasons(model: RankingModel, history: History, post_ids: Sequence[UUID], depth: int, at_most: int) -> ModelView:
    """Up to so many neighbours, and of each post asked for, or of the first ones, its place and so many influences."""
    query = model.query_of(history)
    ranked = model.rank(history, depth)
    places = {post_id: place for place, (post_id, _) in enumerate(ranked, start=1)}
    asked = post_ids or [post_id for post_id, _ in ranked[:at_most]]
    return ModelView(
        weights=dict(zip(model.post_ids(query.weights.indices), query.weights.data.tolist(), strict=True)),
        neighbours=_neighbours(model, query, at_most),
        posts=tuple(_post_view(model, query, post_id, places, at_most) for post_id in asked),
        best_score=ranked[0][1] if ranked else 0.0,
    )


def _neighbours(model: RankingModel, query: Query, at_most: int) -> tuple[Neighbour, ...]:
    if not isinstance(model.algorithm, UserKNN):
        return ()
    found = model.algorithm.kneighbors(query.weights, np.array([query.own_row]))
    nearest = found.rows[0][found.rows[0] >= 0][:at_most]
    pairs = zip(model.user_ids(nearest), found.similarities[0][: len(nearest)].tolist(), strict=True)
    return tuple(Neighbour(user_id, similarity) for user_id, similarity in pairs)


def _post_view(model: RankingModel, query: Query, post_id: UUID, places: dict[UUID, int], at_most: int) -> PostView:
    row = model.post_row(post_id)
    if row < 0:
        return PostView(post_id, is_known=False, place=None, raw_score=0.0, influences=())
    contributions = model.algorithm.contributions(query.weights, query.own_row, row)
    return PostView(
        post_id,
        is_known=True,
        place=places.get(post_id),
        raw_score=float(contributions.parts.sum()),
        influences=_influences(model, contributions, at_most),
    )


def _influences(model: RankingModel, contributions: Contributions, at_most: int) -> tuple[Influence, ...]:
    """The strongest first; shares are of the whole score, whatever is left out."""
    parts = contributions.parts
    order = np.argsort(-np.abs(parts), kind="stable")[:at_most]
    kind = InfluenceKind.NEIGHBOUR if contributions.of_users else InfluenceKind.OWN_POST
    ids = (model.user_ids if contributions.of_users else model.post_ids)(contributions.rows[order])
    return tuple(
        Influence(
            kind,
            one,
            strength=float(contributions.strengths[place]),
            vote=float(contributions.votes[place]),
            share=float(parts[place] / parts.sum()),
        )
        for one, place in zip(ids, order, strict=True)
    )
