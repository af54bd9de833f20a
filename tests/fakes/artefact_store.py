"""Bytes of models in a dict."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from core.domain.errors import ArchiveUnavailable, ArtefactRefused


@dataclass
class FakeArtefactStore:
    """`contents` by sha256; hands out files in `folder`."""

    folder: Path
    contents: dict[str, bytes] = field(default_factory=dict)
    unavailable: bool = False

    async def put(self, path: Path) -> tuple[str, int]:
        self._answer()
        sha256, content = _digested(path)
        self.contents.setdefault(sha256, content)
        return sha256, len(content)

    async def fetch(self, sha256: str) -> Path:
        path = self.folder / f"{sha256}.joblib"
        if path.is_file() and _digested(path)[0] == sha256:
            return path
        self._answer()
        content = self.contents.get(sha256, b"")
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ArtefactRefused(f"the stored bytes of the model are missing or damaged (sha256 {sha256[:12]}…)")
        self.folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    async def remove(self, sha256: str) -> None:
        self._answer()
        self.contents.pop(sha256, None)
        (self.folder / f"{sha256}.joblib").unlink(missing_ok=True)

    async def remove_strays(self, named: Collection[str]) -> int:
        self._answer()
        strays = self.contents.keys() - set(named)
        return sum(len(self.contents.pop(sha256)) for sha256 in strays)

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")


def _digested(path: Path) -> tuple[str, bytes]:
    content = path.read_bytes()
    return hashlib.sha256(content).hexdigest(), content
