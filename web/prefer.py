"""The Prefer header (RFC 7240): how long a caller waits, and what it would rather have than wait."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.domain.job import Patience

LONGEST_WAIT_SECONDS = 25
# Matching takes time that grows with the square of the length; sensible preferences are short.
LONGEST_HEADER = 256
_ELEMENT = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*")+')
_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences that this service knows; a longer wait than 25 s is one of 25 s."""

    wait_seconds: int | None = None
    respond_async: bool = False
    fallback: bool = False

    def patience(self, default_wait_seconds: float) -> Patience:
        """`respond-async, wait=10` together mean: not before ten seconds have passed (RFC 7240, section 4.3)."""
        wait_seconds = default_wait_seconds if self.wait_seconds is None else self.wait_seconds
        return Patience(wait_seconds, self.respond_async and not self.wait_seconds, self.fallback)

    def applied(self, *, accepted: bool = False, popular: bool = False) -> str:
        """The value of Preference-Applied for an answer that is a 202 (`accepted`) or holds popular posts."""
        names = {
            f"wait={self.wait_seconds}": self.wait_seconds is not None,
            "respond-async": self.respond_async and accepted,
            "fallback": self.fallback and popular,
        }
        return ", ".join(name for name, is_applied in names.items() if is_applied)


def read_preferences(headers: Iterable[str]) -> Preferences:
    """Whatever is unknown or makes no sense is ignored, as the RFC wants; of two equal names the first counts."""
    wishes: dict[str, str] = {}
    for name, value in _elements(headers):
        wishes.setdefault(name, value)
    seconds = _SECONDS.fullmatch(wishes.get("wait", ""))
    return Preferences(
        wait_seconds=min(int(seconds[0]), LONGEST_WAIT_SECONDS) if seconds else None,
        respond_async="respond-async" in wishes,
        fallback="fallback" in wishes,
    )


def _elements(headers: Iterable[str]) -> Iterator[tuple[str, str]]:
    for header in (header for header in headers if len(header) <= LONGEST_HEADER):
        for element in _ELEMENT.findall(header):
            name, _, value = element.partition(";")[0].partition("=")
            yield name.strip().lower(), value.strip().strip('"')
