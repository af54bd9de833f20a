"""Texts of ids, fake and real."""

from collections.abc import AsyncIterator

import pytest

from core.application.ports.external_ids import ExternalIds
from core.domain.ids import to_uuid
from core.infrastructure import postgres_external_ids
from core.infrastructure.postgres_external_ids import PostgresExternalIds
from core.infrastructure.postgres_pool import open_pool
from tests.fakes.external_ids import FakeExternalIds
from tests.integration.core.infrastructure.postgres_rows import add_texts, post

A_TEXT, NO_TEXT, NEVER_ASKED = (to_uuid(text) for text in ("a post", "another", "a third"))
TEXTS = {A_TEXT: "a post", post(1): "first post", post(2): "zweiter Beitrag 🦔"}


@pytest.fixture
async def external_ids(url: str | None) -> AsyncIterator[ExternalIds]:
    if url is None:
        yield FakeExternalIds(TEXTS)
        return
    async with open_pool(url) as pool:
        await add_texts(pool, TEXTS)
        yield PostgresExternalIds(pool)


async def test_only_ids_that_have_a_text_get_one(external_ids: ExternalIds) -> None:
    assert await external_ids.texts_of([post(2), post(3)]) == {post(2): "zweiter Beitrag 🦔"}


async def test_of_no_ids_there_are_no_texts(external_ids: ExternalIds) -> None:
    assert await external_ids.texts_of(set()) == {}


async def test_what_was_told_once_is_known_without_asking(external_ids: ExternalIds) -> None:
    await external_ids.texts_of([A_TEXT, NO_TEXT])

    assert external_ids.last_told([A_TEXT, NO_TEXT, NEVER_ASKED]) == {A_TEXT: "a post", NO_TEXT: None}


async def test_the_oldest_is_forgotten_where_too_much_was_told(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_external_ids, "MOST_REMEMBERED", 1)
    async with open_pool(migrated_database_url) as pool:
        external_ids = PostgresExternalIds(pool)
        await external_ids.texts_of([A_TEXT])
        await external_ids.texts_of([NO_TEXT])

    assert external_ids.last_told([A_TEXT, NO_TEXT]) == {NO_TEXT: None}
