"""Feeds by arrays are what the plain composition makes of each history."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest

from core.domain.composition import Composition
from core.domain.history import History
from core.domain.ids import to_uuid
from core.domain.interaction import Interaction, InteractionType, InteractionWeights
from core.domain.popular import PopularFeed
from core.domain.ranking import ComposedFeed, Ranking
from core.infrastructure.adbc_interaction_table import InteractionColumns
from core.infrastructure.adbc_model_training import fit
from core.infrastructure.feed_composer import FeedComposer
from core.infrastructure.history_arrays import HistoryArrays
from core.infrastructure.ranking_model import RankingModel

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SINCE_2000 = datetime(2000, 1, 1, tzinfo=UTC)
KINDS = list(InteractionType)
COMPOSITION = Composition(depth=12, min_score=0.1, cold_start_threshold=3)


def user(number: int) -> UUID:
    # The last bytes are zero: they must not be lost on the way.
    return UUID(int=(number + 1) << 64)


def post(number: int) -> UUID:
    return UUID(int=(number + 1) << 96)


def model_of(random_: random.Random, users: int = 30, posts: int = 40) -> RankingModel:
    acts = [(random_.randrange(users), random_.randrange(posts), random_.randrange(4)) for _ in range(400)]
    times = [NOW.timestamp() - random_.random() * 3 * 86_400 for _ in acts]
    return fit(
        InteractionColumns(
            user_keys=np.array([user(one).bytes for one, _, _ in acts], dtype="S16"),
            post_keys=np.array([post(one).bytes for _, one, _ in acts], dtype="S16"),
            type_codes=np.array([kind for _, _, kind in acts]),
            times=np.array(times),
            now=NOW.timestamp(),
        ),
        InteractionWeights(),
        {"k": 5},
    )


def histories_of(random_: random.Random) -> list[History]:
    """Of users whom the model knows or not, with posts that it knows or not, some of them twice."""
    return [
        History(
            user(number),
            tuple(
                Interaction(user(number), post(random_.randrange(50)), random_.choice(KINDS), NOW - ago)
                for ago in sorted((timedelta(seconds=random_.randrange(86_400)) for _ in range(count)), reverse=True)
            ),
            generation=7,
            data_now=NOW,
            sequence=number,
        )
        for number, count in enumerate([1, 2, 3, 5, 8, 13, 21, 34] * 5)
    ]


def arrays_of(histories: Sequence[History], generation: int = 7, epoch: int = 0) -> HistoryArrays:
    ordered = sorted((one for one in histories if one.interactions), key=lambda one: one.user_id)
    acts = [act for one in ordered for act in one.interactions]
    return HistoryArrays(
        user_keys=np.array([one.user_id.bytes for one in ordered], dtype="S16"),
        starts=np.cumsum([0, *(len(one.interactions) for one in ordered)]),
        sequences=np.array([one.sequence for one in ordered], dtype=np.int64),
        post_keys=np.array([act.post_id.bytes for act in acts], dtype="S16"),
        type_codes=np.array([KINDS.index(act.type) for act in acts], dtype=np.int64),
        moments=np.array([(act.created_at - SINCE_2000) // timedelta(microseconds=1) for act in acts], dtype=np.int64),
        data_now=(NOW - SINCE_2000) // timedelta(microseconds=1),
        generation=generation,
        epoch=epoch,
    )


def plain(
    model: RankingModel | None, histories: Sequence[History], popular: PopularFeed, composition: Composition
) -> list[ComposedFeed]:
    found = []
    for history in histories:
        if history.built_up_to is not None and len(history.post_ids) >= composition.cold_start_threshold:
            ranking = Ranking(model.rank(history, composition.depth)) if model else Ranking()
            recommendations = composition.compose(ranking, popular, history.post_ids)
            found.append(ComposedFeed(history.user_id, recommendations, history.built_up_to, history.sequence))
    return found


@pytest.mark.parametrize("popular_count", [0, 4, 60])
@pytest.mark.parametrize("min_score", [0.0, 0.1, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_feeds_by_arrays_are_the_plain_ones_to_the_bit(seed: int, min_score: float, popular_count: int) -> None:
    random_ = random.Random(seed)
    model, histories = model_of(random_), histories_of(random_)
    # Some of the popular posts are too new for the model.
    numbers = random_.sample(range(70), popular_count)
    popular = PopularFeed(tuple(map(post, numbers)), tuple(1 / (place + 1) for place in range(popular_count)))
    composition = replace(COMPOSITION, min_score=min_score)

    composed = FeedComposer(model).compose(arrays_of(histories), popular, composition)[0]

    expected = plain(model, histories, popular, composition)
    assert list(composed) == expected
    assert len(expected) > 20
    assert any(len(feed.recommendations) == composition.depth for feed in expected) or popular_count < 60


def test_without_a_model_feeds_are_popular_posts() -> None:
    histories = histories_of(random.Random(1))
    popular = PopularFeed(tuple(map(post, range(60))), tuple(1 / (place + 1) for place in range(60)))

    composed = FeedComposer(None).compose(arrays_of(histories), popular, COMPOSITION)[0]

    assert list(composed) == plain(None, histories, popular, COMPOSITION)


def test_of_nobody_there_are_no_feeds() -> None:
    assert list(FeedComposer(model_of(random.Random(1))).compose(arrays_of([]), PopularFeed(), COMPOSITION)[0]) == []


def test_a_second_batch_finds_the_ids_of_the_first() -> None:
    random_ = random.Random(2)
    model, histories = model_of(random_), histories_of(random_)
    composer = FeedComposer(model)

    first = composer.compose(arrays_of(histories[:20]), PopularFeed(), COMPOSITION)[0]
    again = composer.compose(arrays_of(histories), PopularFeed(), COMPOSITION)[0]

    assert list(again)[: len(first)] == list(first)
    assert list(again) == plain(model, histories, PopularFeed(), COMPOSITION)


def test_of_the_posts_in_feeds_those_are_told_whose_ids_can_stand_for_texts() -> None:
    histories, texts = histories_of(random.Random(3)), [to_uuid(f"post {number}") for number in range(3)]
    popular = PopularFeed((*texts, post(60), to_uuid("beyond the depth")), (1.0, 0.9, 0.8, 0.7, 0.1))

    composer = FeedComposer(None)
    _, may_have_texts = composer.compose(arrays_of(histories), popular, replace(COMPOSITION, depth=4))

    assert set(may_have_texts) == set(texts)


def test_who_is_below_the_threshold_gets_no_feed() -> None:
    histories = histories_of(random.Random(4))

    feeds, may_have_texts = FeedComposer(model_of(random.Random(4))).compose(
        arrays_of(histories), PopularFeed((to_uuid("a post"),), (1.0,)), replace(COMPOSITION, cold_start_threshold=100)
    )

    assert (list(feeds), list(may_have_texts)) == ([], [])


@pytest.mark.parametrize("depth", [1, 50, 255, 256])
def test_ids_of_any_bytes_and_feeds_of_any_depth_are_kept(depth: int) -> None:
    numbers = [0, 255, 256, 65_535, 65_536, 255 << 120, 2**128 - 1, *(number << 96 for number in range(2, 300))]
    popular = PopularFeed(
        tuple(UUID(int=number) for number in numbers), tuple(1 / (1 + n) for n in range(len(numbers)))
    )
    histories, composition = histories_of(random.Random(5)), replace(COMPOSITION, depth=depth)

    feeds, _ = FeedComposer(None).compose(arrays_of(histories), popular, composition)

    assert list(feeds) == plain(None, histories, popular, composition)
    assert all(len(feed.recommendations) == depth for feed in feeds)
