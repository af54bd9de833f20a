"""Which program this is: the commit it was checked out at, else a digest of its source."""

import hashlib
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 2.0
_GIT = ("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


@cache
def code_revision() -> str:
    """As `4c01a5b2f0d3`, with `-dirty` behind it where files were changed; `source:…` where there is no checkout."""
    return _checked_out() or f"source:{_source_digest()[:12]}"


def _checked_out() -> str | None:
    """Only a checkout of this very project counts, not one that it was unpacked in."""
    if not (ROOT / ".git").exists():
        return None
    try:
        described = subprocess.run(  # noqa: S603 - constants, no shell
            _GIT, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None


def _source_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(ROOT.glob("core/**/*.py")):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
