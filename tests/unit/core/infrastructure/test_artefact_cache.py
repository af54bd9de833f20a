"""Files by content on the local disk."""

import errno
import hashlib
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from core.domain.errors import ConfigurationError, StorageFull, ThreadsMlError
from core.infrastructure import artefact_cache
from core.infrastructure.artefact_cache import ArtefactCache, cannot_keep

CONTENT = b"a model"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


async def stored() -> AsyncGenerator[bytes, None]:
    yield CONTENT


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(28, "No space left on device"), StorageFull),
        (OSError(30, "Read-only file system"), ConfigurationError),
        (PermissionError(13, "Permission denied"), ConfigurationError),
    ],
)
def test_a_full_disk_is_no_matter_of_settings(error: OSError, kind: type[ThreadsMlError]) -> None:
    assert isinstance(cannot_keep(Path("models"), error), kind)
    assert "MODEL_PATH=models" in str(cannot_keep(Path("models"), error))


def test_where_there_is_no_room_the_old_files_stay_and_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "old.joblib").write_bytes(b"old")
    program = textwrap.dedent("""
        import asyncio, resource, signal, sys
        from pathlib import Path
        from core.domain.errors import StorageFull
        from core.infrastructure.artefact_cache import ArtefactCache

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        async def chunks():
            for _ in range(5):
                yield bytes(100_000)

        try:
            asyncio.run(ArtefactCache(Path(sys.argv[1]), "in the store").fetch("ab" * 32, chunks))
        except StorageFull as error:
            print(error)
    """)

    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )

    assert f"there is no room for a model in MODEL_PATH={tmp_path}" in ended.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["old.joblib"]


async def test_a_copy_that_the_disk_cannot_read_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> tuple[str, int]:
        raise OSError(errno.EIO, "Input/output error")

    cache = ArtefactCache(tmp_path, "in the store")
    await cache.fetch(SHA256, stored)
    monkeypatch.setattr(artefact_cache, "identity_of", fail)

    path = await cache.fetch(SHA256, stored)

    assert path.read_bytes() == CONTENT


async def test_downloads_of_killed_processes_are_removed_but_not_those_that_go_on(tmp_path: Path) -> None:
    left, going_on = tmp_path / ".partial-left", tmp_path / ".partial-going-on"
    for file in (left, going_on):
        file.touch()
    os.utime(left, (0, 0))

    await ArtefactCache(tmp_path, "in the store").fetch(SHA256, stored)

    assert not left.exists()
    assert going_on.exists()
