"""`threads-ml why`, over a real database."""

import asyncio
import json
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from core.application.generate_feed import GenerateFeed
from core.domain.job import GenerateMessage, Queue
from core.settings import load_settings
from scripts.train import app as train_app
from scripts.why import app
from tests.fakes.freshness_meter import FakeFreshnessMeter
from tests.integration.scripts.test_replay_evaluation import fill
from worker.wiring import open_worker

ANNA = UUID(int=1)


@pytest.fixture(autouse=True)
def _served(
    migrated_database_url: str, redis_url: str, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", migrated_database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("BROKER_URL", broker_url)
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    asyncio.run(fill(migrated_database_url))


@pytest.fixture
def _trained() -> None:
    # A busy machine may be too slow for the gate: it is not what is looked at here.
    assert CliRunner().invoke(train_app, ["--no-gate"]).exit_code == 0


@pytest.fixture
def _with_feed(_trained: None) -> None:
    asyncio.run(_generate())


async def _generate() -> None:
    async with open_worker(load_settings(env_file=None), Queue.FEEDS, FakeFreshnessMeter()) as parts:
        generate_feed: GenerateFeed = parts.generate_feed
        await generate_feed(GenerateMessage(ANNA, "test"))


def _neighbours_of_anna() -> list[str]:
    """The two nearest ones."""
    told = json.loads(why(str(ANNA), "--json").stdout)
    return [neighbour["user_id"] for neighbour in told["neighbours"][:2]]


def _like(database_url: str, user_id: str, post_id: UUID) -> None:
    async def insert() -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute(
            "insert into user_interaction (user_id, post_id, interaction_type) values ($1, $2, 'like')",
            *(UUID(user_id), post_id),
        )
        await connection.close()

    asyncio.run(insert())


def why(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.usefixtures("_with_feed")
def test_a_feed_is_explained_by_the_model_that_made_it() -> None:
    explained = why(str(ANNA), "--top", "3")

    assert explained.exit_code == 0, explained.output
    assert "feed of collaborative_filtering_v1, epoch 1, generation" in explained.stdout
    assert "explained by collaborative_filtering_v1 (user_knn), as it made the feed" in explained.stdout
    assert "history: 36 interactions" in explained.stdout
    assert "nearest neighbours" in explained.stdout
    assert ": place 1 with score 1.000" in explained.stdout
    assert "x vote" in explained.stdout


@pytest.mark.usefixtures("_with_feed")
def test_a_post_of_the_list_is_explained_by_what_its_voters_did() -> None:
    document = json.loads(why(str(ANNA), "--json").stdout)
    first = document["feed"]["recommendations"][0]["post_id"]

    told = json.loads(why(str(ANNA), first, "--json", "--top", "500").stdout)

    (view,) = told["posts"]
    assert (view["post_id"], view["place"]) == (first, 1)
    assert sum(influence["share"] for influence in view["influences"]) == pytest.approx(1, abs=1e-4)
    assert all(
        act["user_id"] == influence["id"] and act["post_id"] == first
        for influence in view["influences"]
        for act in influence["interactions"]
    )
    assert all(influence["interactions"] for influence in view["influences"])


@pytest.mark.usefixtures("_trained")
def test_a_post_born_after_training_is_explained_by_what_was_known_when_the_feed_was_made(
    migrated_database_url: str,
) -> None:
    newborn, (neighbour, other) = UUID(int=9999), _neighbours_of_anna()
    _like(migrated_database_url, neighbour, newborn)
    asyncio.run(_generate())
    _like(migrated_database_url, other, newborn)

    told = json.loads(why(str(ANNA), str(newborn), "--json").stdout)

    (view,) = told["posts"]
    stored = [item["post_id"] for item in told["feed"]["recommendations"]]
    assert (view["is_known"], view["place"]) == (True, stored.index(str(newborn)) + 1)
    assert [influence["id"] for influence in view["influences"]] == [neighbour]


@pytest.mark.usefixtures("_with_feed")
def test_a_post_that_is_not_in_the_list_has_its_reason_told() -> None:
    history = json.loads(why(str(ANNA), "--json").stdout)["history"]

    assert "the user has had it already" in why(str(ANNA), history[0]["post_id"]).stdout
    assert "the model has never met it" in why(str(ANNA), "a-new-post").stdout


@pytest.mark.usefixtures("_with_feed")
def test_where_the_bytes_are_gone_it_says_who_explains_instead(migrated_database_url: str) -> None:
    CliRunner().invoke(train_app, ["--no-gate"], env={"ALGORITHM": "popular"})

    async def forget() -> None:
        connection = await asyncpg.connect(migrated_database_url)
        await connection.execute("update model set pruned_at = now() where number = 1")
        await connection.close()

    asyncio.run(forget())

    assert "explained by collaborative_filtering_v2 (popular), which serves now" in why(str(ANNA)).stdout


@pytest.mark.usefixtures("_trained")
def test_without_a_stored_feed_it_tells_what_the_model_would_put_first() -> None:
    explained = why(str(ANNA), "--top", "2")

    assert "no feed is stored" in explained.stdout
    assert "place 1 if the feed were made like this" in explained.stdout


@pytest.mark.usefixtures("_trained")
def test_a_user_nobody_knows_is_one_line() -> None:
    refused = why("-42")

    assert refused.exit_code == 1
    assert refused.stderr == "threads-ml: -42: the user has no interactions: such users get popular posts\n"


def test_before_the_first_model_it_is_one_line() -> None:
    refused = why(str(ANNA))

    assert refused.exit_code == 1
    assert refused.stderr.endswith("there is no model yet: everybody gets popular posts\n")
