"""The user that a server runs as when root starts it, and what that user can reach."""

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class UnprivilegedUser:
    """A user other than root, with its one group."""

    name: str
    uid: int
    gid: int

    @classmethod
    def for_folder(cls, folder: Path) -> "UnprivilegedUser | None":
        """None unless this process is root; else the folder's owner, or `nobody` for a folder that is root's."""
        if os.geteuid() != 0:
            return None
        owner = folder.stat()
        if owner.st_uid != 0:
            return cls(_user_name(owner.st_uid), owner.st_uid, owner.st_gid)
        return next(_candidates(), None) or _no_user()

    def own(self, path: Path) -> None:
        """Make the file or folder this user's; nothing above or below it changes."""
        try:
            os.chown(path, self.uid, self.gid)
        except OSError as error:
            raise ConfigurationError(
                f"root may not give {path} to user {self.name} here ({error.strerror}); start as another user than root"
            ) from error

    def first_closed_folder(self, *paths: Path) -> Path | None:
        """The first folder on the way to one of the paths that the user may not pass; None when all are open."""
        return next((folder for path in paths for folder in _way_to(path) if not self._may_pass(folder)), None)

    def _may_pass(self, folder: Path) -> bool:
        facts = folder.stat()
        if facts.st_uid == self.uid:
            return bool(facts.st_mode & stat.S_IXUSR)
        if facts.st_gid == self.gid:
            return bool(facts.st_mode & stat.S_IXGRP)
        return bool(facts.st_mode & stat.S_IXOTH)


def _candidates() -> Iterator[UnprivilegedUser]:
    for entry in sorted(pwd.getpwall(), key=lambda entry: entry.pw_name != "nobody"):
        if entry.pw_uid > 0:
            yield UnprivilegedUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _no_user() -> UnprivilegedUser:
    raise ConfigurationError("PostgreSQL refuses to run as root and this machine has no other user; start as one")


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _way_to(path: Path) -> Iterator[Path]:
    yield from reversed(path.resolve().parents)
    yield path.resolve()
