"""Every store of models' bytes keeps the promise of the port: the fake, Postgres, and a URL."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.application.ports.artefact_store import ArtefactStore
from core.domain.errors import ArtefactRefused, ConfigurationError
from core.infrastructure import fsspec_artefact_store, postgres_artefact_store
from core.infrastructure.artefact_stores import artefact_store
from core.infrastructure.fsspec_artefact_store import FsspecArtefactStore
from core.infrastructure.postgres_artefact_store import PostgresArtefactStore
from core.infrastructure.postgres_pool import open_pool
from tests.fakes.artefact_store import FakeArtefactStore

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_artefact_store, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(fsspec_artefact_store, "CHUNK_BYTES", 1000)


@pytest.fixture(params=["fake", "postgres", "file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the bytes lie: the fake, a database, or a URL."""
    urls = {"file": f"file://{tmp_path}/shared/models", "memory": f"memory://{tmp_path.name}"}
    if request.param == "postgres":
        return str(request.getfixturevalue("migrated_database_url"))
    return urls.get(request.param, request.param)


@pytest.fixture
async def store(place: str, tmp_path: Path) -> AsyncIterator[ArtefactStore]:
    cache = tmp_path / "cache"
    if place == "fake":
        yield FakeArtefactStore(cache)
    elif place.startswith("postgresql://"):
        async with open_pool(place) as pool:
            yield PostgresArtefactStore(pool, cache)
    else:
        yield FsspecArtefactStore(place, cache)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "trained.joblib"
    path.write_bytes(CONTENT)
    return path


async def test_what_was_put_can_be_fetched_by_its_content(store: ArtefactStore, model: Path) -> None:
    assert await store.put(model) == (SHA256, len(CONTENT))

    assert (await store.fetch(SHA256)).read_bytes() == CONTENT


async def test_putting_again_changes_nothing(store: ArtefactStore, model: Path) -> None:
    await store.put(model)

    assert await store.put(model) == (SHA256, len(CONTENT))

    assert (await store.fetch(SHA256)).read_bytes() == CONTENT


async def test_bytes_that_nobody_put_are_refused(store: ArtefactStore) -> None:
    with pytest.raises(ArtefactRefused, match=SHA256[:12]):
        await store.fetch(SHA256)


async def test_a_damaged_local_copy_is_replaced_and_told(store: ArtefactStore, model: Path) -> None:
    await store.put(model)
    local = await store.fetch(SHA256)
    local.write_bytes(CONTENT[:-1] + b"x")

    with capture_logs() as logs:
        assert (await store.fetch(SHA256)).read_bytes() == CONTENT

    told = [] if isinstance(store, FakeArtefactStore) else ["model_file_damaged"]
    assert [line["event"] for line in logs] == told


async def test_what_was_removed_is_gone_here_and_there(store: ArtefactStore, model: Path) -> None:
    await store.put(model)
    copy = await store.fetch(SHA256)

    await store.remove(SHA256)
    await store.remove(SHA256)

    assert not copy.exists()
    with pytest.raises(ArtefactRefused):
        await store.fetch(SHA256)


async def test_what_nobody_names_goes_where_nobody_else_stores(
    store: ArtefactStore, model: Path, tmp_path: Path
) -> None:
    named, stray = tmp_path / "named.joblib", model
    named.write_bytes(b"another model")
    sha256, _ = await store.put(named)
    await store.put(stray)

    removed = await store.remove_strays([sha256])

    assert (await store.fetch(sha256)).read_bytes() == b"another model"
    assert removed == (0 if isinstance(store, FsspecArtefactStore) else len(CONTENT))
    if removed:
        with pytest.raises(ArtefactRefused):
            await store.fetch(SHA256)


async def test_an_error_names_the_place_that_was_asked(place: str, store: ArtefactStore) -> None:
    said = "in Postgres" if place.startswith("postgresql://") else "under ARTEFACT_URL"

    with pytest.raises(ArtefactRefused, match="missing or damaged" if place == "fake" else said):
        await store.fetch(SHA256)


@pytest.mark.parametrize(("url", "kind"), [("", PostgresArtefactStore), ("memory://models", FsspecArtefactStore)])
async def test_without_a_url_the_bytes_lie_in_postgres(
    migrated_database_url: str, tmp_path: Path, url: str, kind: type
) -> None:
    async with open_pool(migrated_database_url) as pool:
        assert isinstance(artefact_store(pool, url, tmp_path), kind)


@pytest.mark.parametrize(("url", "said"), [("s3://bucket/models", "s3fs"), ("nonsense://models", "nonsense")])
async def test_a_url_that_cannot_be_used_says_what_is_missing(
    migrated_database_url: str, tmp_path: Path, url: str, said: str
) -> None:
    async with open_pool(migrated_database_url) as pool:
        with pytest.raises(ConfigurationError, match=f"ARTEFACT_URL.*{said}"):
            artefact_store(pool, url, tmp_path)
