"""The bytes of models in a folder that machines share."""

import asyncio
from pathlib import Path

import pytest

from core.domain.errors import ArchiveUnavailable, ArtefactRefused, ConfigurationError
from core.infrastructure import fsspec_artefact_store
from core.infrastructure.fsspec_artefact_store import FsspecArtefactStore
from tests.integration.core.infrastructure.test_artefact_stores import CONTENT, SHA256


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "trained.joblib"
    path.write_bytes(CONTENT)
    return path


async def test_another_machine_finds_what_one_has_stored(tmp_path: Path, model: Path) -> None:
    one, other = (FsspecArtefactStore(f"file://{tmp_path}/shared", tmp_path / name) for name in ("one", "other"))

    await one.put(model)

    assert (await other.fetch(SHA256)).read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "shared").iterdir()] == [f"{SHA256}.joblib"]


async def test_damaged_stored_bytes_are_refused_and_leave_nothing_behind(tmp_path: Path, model: Path) -> None:
    store = FsspecArtefactStore(f"file://{tmp_path}/shared", tmp_path / "cache")
    await store.put(model)
    (tmp_path / "shared" / f"{SHA256}.joblib").write_bytes(CONTENT[:-1])

    with pytest.raises(ArtefactRefused):
        await store.fetch(SHA256)

    assert list((tmp_path / "cache").iterdir()) == []


async def test_bytes_that_were_cut_short_in_the_store_are_put_anew(tmp_path: Path, model: Path) -> None:
    store = FsspecArtefactStore(f"file://{tmp_path}/shared", tmp_path / "cache")
    await store.put(model)
    (tmp_path / "shared" / f"{SHA256}.joblib").write_bytes(b"")

    await store.put(model)

    assert (await store.fetch(SHA256)).read_bytes() == CONTENT


async def test_a_file_that_changes_while_it_is_put_is_not_stored(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = iter([(SHA256, len(CONTENT)), ("ab" * 32, len(CONTENT))])
    monkeypatch.setattr(fsspec_artefact_store, "identity_of", lambda path: next(digests))

    with pytest.raises(ArtefactRefused, match="changed while it was stored"):
        await FsspecArtefactStore(f"file://{tmp_path}/shared", tmp_path / "cache").put(model)

    assert list((tmp_path / "shared").iterdir()) == []


async def test_the_same_bytes_put_by_two_at_once_are_stored_once(tmp_path: Path, model: Path) -> None:
    store = FsspecArtefactStore(f"file://{tmp_path}/shared", tmp_path / "cache")

    await asyncio.gather(store.put(model), store.put(model))

    assert len(list((tmp_path / "shared").iterdir())) == 1


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (PermissionError(13, "not yours"), ConfigurationError),
        (ConnectionResetError(104, "reset"), ArchiveUnavailable),
        (TimeoutError(), ArchiveUnavailable),
        (NotImplementedError(), ConfigurationError),
        (RuntimeError("Unable to locate credentials"), ArchiveUnavailable),
    ],
)
async def test_what_goes_wrong_in_the_store_names_the_setting(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, error: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise failure

    store = FsspecArtefactStore(f"file://{tmp_path}/shared", tmp_path / "cache")
    monkeypatch.setattr(store._files, "put_file", fail)

    with pytest.raises(error, match="ARTEFACT_URL"):
        await store.put(model)


async def test_a_server_that_cannot_be_reached_is_told_by_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ArchiveUnavailable, match=r"ARTEFACT_URL.*Connection refused"):
        FsspecArtefactStore("ftp://127.0.0.1:1/models", tmp_path)
