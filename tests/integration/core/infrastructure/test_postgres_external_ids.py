"""Texts of ids, fake and real."""

from collections.abc import AsyncIterator

import pytest

from core.application.ports.external_ids import ExternalIds
from core.infrastructure.postgres_external_ids import PostgresExternalIds
from core.infrastructure.postgres_pool import open_pool
from tests.fakes.external_ids import FakeExternalIds
from tests.integration.core.infrastructure.postgres_rows import add_texts, post

TEXTS = {post(1): "first post", post(2): "zweiter Beitrag 🦔"}


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
