"""The bytes of models in Postgres."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from core.domain.errors import ArchiveUnavailable, ArtefactRefused, ConfigurationError
from core.domain.gate import BYPASSED
from core.infrastructure import postgres_artefact_store
from core.infrastructure.artefact_cache import KEPT_FILES
from core.infrastructure.postgres_artefact_store import PostgresArtefactStore
from core.infrastructure.postgres_model_registry import PostgresModelRegistry
from core.infrastructure.postgres_pool import Pool, open_pool
from tests.fakes.training import FakeModelTraining

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_artefact_store, "CHUNK_BYTES", 1000)


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "trained.joblib"
    path.write_bytes(CONTENT)
    return path


async def test_damaged_stored_bytes_are_refused_and_leave_nothing_behind(
    pool: Pool, model: Path, tmp_path: Path
) -> None:
    store = PostgresArtefactStore(pool, tmp_path / "cache")
    await store.put(model)
    await pool.execute("update model_artefact set bytes = 'x' where ordinal = 3")

    with pytest.raises(ArtefactRefused):
        await store.fetch(SHA256)

    assert list((tmp_path / "cache").iterdir()) == []


async def test_a_sound_local_copy_needs_no_postgres(pool: Pool, model: Path, tmp_path: Path) -> None:
    await PostgresArtefactStore(pool, tmp_path / "cache").put(model)
    await PostgresArtefactStore(pool, tmp_path / "cache").fetch(SHA256)

    async with open_pool("postgresql://u:p@127.0.0.1:1/d") as nowhere:
        store = PostgresArtefactStore(nowhere, tmp_path / "cache")
        local = await store.fetch(SHA256)
        with pytest.raises(ArchiveUnavailable):
            await store.fetch("00" * 32)

    assert local.read_bytes() == CONTENT


async def test_the_same_bytes_put_by_two_at_once_are_stored_once(pool: Pool, model: Path, tmp_path: Path) -> None:
    store = PostgresArtefactStore(pool, tmp_path / "cache")

    await asyncio.gather(store.put(model), store.put(model))

    assert await pool.fetchval("select sum(length(bytes)) from model_artefact") == len(CONTENT)


async def test_a_file_that_changes_while_it_is_put_is_not_stored(
    pool: Pool, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_artefact_store, "identity_of", lambda path: ("ab" * 32, len(CONTENT)))

    with pytest.raises(ArtefactRefused, match="changed while it was stored"):
        await PostgresArtefactStore(pool, tmp_path / "cache").put(model)

    assert await pool.fetchval("select count(*) from model_artefact") == 0


async def test_a_put_that_is_cut_off_leaves_nothing_and_can_be_repeated(
    pool: Pool, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, chunks_of = PostgresArtefactStore(pool, tmp_path / "cache"), postgres_artefact_store._chunks_of

    def cut_off(path: Path) -> Iterator[bytes]:
        yield next(chunks_of(path))
        raise asyncio.CancelledError

    monkeypatch.setattr(postgres_artefact_store, "_chunks_of", cut_off)
    with pytest.raises(asyncio.CancelledError):
        await store.put(model)
    monkeypatch.setattr(postgres_artefact_store, "_chunks_of", chunks_of)

    assert await pool.fetchval("select count(*) from model_artefact") == 0
    await store.put(model)
    assert (await store.fetch(SHA256)).read_bytes() == CONTENT


async def test_a_folder_that_cannot_be_written_is_named(pool: Pool, model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = PostgresArtefactStore(pool, tmp_path / "file" / "cache")
    await store.put(model)

    with pytest.raises(ConfigurationError, match="MODEL_PATH"):
        await store.fetch(SHA256)


async def test_of_many_models_only_those_used_last_stay_on_the_local_disk(pool: Pool, tmp_path: Path) -> None:
    store = PostgresArtefactStore(pool, tmp_path / "cache")
    digests = []
    for number in range(KEPT_FILES):
        (tmp_path / "model").write_bytes(bytes([number]))
        digests.append((await store.put(tmp_path / "model"))[0])
        os.utime(await store.fetch(digests[-1]), (number, number))
    await store.fetch(digests[0])
    (tmp_path / "cache" / "somebody-elses.joblib").touch()
    os.utime(tmp_path / "cache" / "somebody-elses.joblib", (0, 0))
    (tmp_path / "model").write_bytes(CONTENT)
    await store.put(tmp_path / "model")

    await store.fetch(SHA256)

    kept = {path.stem for path in (tmp_path / "cache").iterdir()}
    assert kept == {SHA256, "somebody-elses", *digests} - {digests[1]}


async def test_bytes_that_a_model_names_by_now_stay(pool: Pool, model: Path, tmp_path: Path) -> None:
    store = PostgresArtefactStore(pool, tmp_path / "cache")
    sha256, size_bytes = await store.put(model)
    trained = await FakeModelTraining(tmp_path).train()
    await PostgresModelRegistry(pool).register(trained, sha256, size_bytes, None, BYPASSED)

    await store.remove(sha256)

    assert await store.remove_strays([]) == 0
    assert (await store.fetch(sha256)).read_bytes() == CONTENT
