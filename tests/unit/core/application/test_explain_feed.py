"""Explaining a list."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.application.explain_feed import ExplainFeed
from core.domain.errors import NotFound
from core.domain.gate import BYPASSED
from core.domain.ids import to_uuid
from core.domain.interaction import Interaction, InteractionType
from tests.builders import NOON, USER, feed_of, post
from tests.fakes.external_ids import FakeExternalIds
from tests.fakes.feed_archive import FakeFeedArchive
from tests.fakes.interaction_history import FakeInteractionHistory
from tests.fakes.model_explainer import FakeModelExplainer
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.training import FakeModelTraining

ANNA, BEN = to_uuid(USER), to_uuid("ben")
BEFORE, AFTER = NOON - timedelta(hours=2), NOON - timedelta(minutes=5)


class Setting:
    """Anna has acted before and after her feed of the first model was made; the second model serves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.archive, self.registry = FakeFeedArchive(), FakeModelRegistry()
        self.explainer = FakeModelExplainer(BEN)
        self.history = FakeInteractionHistory(
            [
                Interaction(ANNA, post(8), InteractionType.LIKE, BEFORE),
                Interaction(ANNA, post(9), InteractionType.VIEW, AFTER),
                Interaction(BEN, post(1), InteractionType.SHARE, BEFORE),
                Interaction(BEN, post(2), InteractionType.VIEW, BEFORE),
            ]
        )
        texts = FakeExternalIds({BEN: "ben", post(1): "first-post"})
        self.explain = ExplainFeed(self.archive, self.history, self.registry, self.explainer, texts, depth=150)

    async def with_models(self, count: int = 2) -> "Setting":
        for _ in range(count):
            trained = await FakeModelTraining(self.folder).train()
            record = await self.registry.register(trained, "ab" * 32, 7, None, BYPASSED)
            await self.registry.promote(record.number, "ops", self.registry.epoch)
        return self

    async def with_feed(self) -> "Setting":
        await self.archive.put(replace(feed_of(), built_up_to=BEFORE))
        return self


async def test_the_model_that_made_the_feed_explains_it_with_the_history_of_then(tmp_path: Path) -> None:
    setting = await (await Setting(tmp_path).with_models()).with_feed()

    explained = await setting.explain(ANNA, None, top=2)

    number, as_of, history, posts = setting.explainer.asked[0]
    assert (number, as_of, posts) == (1, feed_of().generated_at, (post(1), post(2)))
    assert [act.post_id for act in history.interactions] == [post(8)]
    assert (explained.model.number, explained.is_as_made) == (1, True)
    assert explained.view.external_ids == {BEN: "ben", post(1): "first-post"}


@pytest.mark.parametrize("how", ["pruned", "damaged", "never registered"])
async def test_where_that_model_cannot_be_had_the_one_that_serves_explains_with_the_history_of_now(
    tmp_path: Path, how: str
) -> None:
    setting = await (await Setting(tmp_path).with_models()).with_feed()
    if how == "pruned":
        await setting.registry.mark_pruned(1)
    elif how == "damaged":
        setting.explainer.gone.add(1)
    else:
        del setting.registry.models[1]

    explained = await setting.explain(ANNA, None, top=2)

    number, as_of, history, _ = setting.explainer.asked[0]
    assert (number, as_of, len(history.interactions)) == (2, None, 2)
    assert (explained.model.number, explained.is_as_made) == (2, False)
    assert explained.feed is not None


async def test_without_a_stored_feed_the_serving_model_tells_what_it_would_put_first(tmp_path: Path) -> None:
    setting = await Setting(tmp_path).with_models()

    explained = await setting.explain(ANNA, None, top=2)

    assert explained.feed is None
    assert setting.explainer.asked[0][3] == ()


async def test_for_one_post_it_is_told_what_its_voters_did_with_it(tmp_path: Path) -> None:
    setting = await (await Setting(tmp_path).with_models()).with_feed()

    explained = await setting.explain(ANNA, post(1), top=5)

    (view,) = explained.view.posts
    (influence,) = view.influences
    assert [(act.post_id, act.type) for act in influence.interactions] == [(post(1), InteractionType.SHARE)]


async def test_strangers_and_a_service_without_a_model_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no interactions"):
        await Setting(tmp_path).explain(to_uuid("nobody"), None, top=2)
    with pytest.raises(NotFound, match="no model yet"):
        await Setting(tmp_path).explain(ANNA, None, top=2)
