"""Contract tests run twice: against the fake and against the real adapter."""

import pytest


@pytest.fixture(params=["fake", "postgres"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Where the adapter's database is, None in the fake's turn."""
    url: str | None = request.getfixturevalue("migrated_database_url") if request.param == "postgres" else None
    return url
