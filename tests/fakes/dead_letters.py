"""Dead letters in a list."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from core.application.ports.dead_letters import DeadLetter


@dataclass
class FakeDeadLetters:
    """`retried` remembers what was sent again; what has no user cannot be."""

    letters: list[DeadLetter] = field(default_factory=list)
    retried: list[str] = field(default_factory=list)

    async def all(self) -> Sequence[DeadLetter]:
        return sorted(self.letters, key=lambda letter: letter.died_at, reverse=True)

    async def retry(self, ids: Collection[str]) -> int:
        chosen = [letter for letter in self.letters if letter.id in ids and letter.user_id is not None]
        self.letters = [letter for letter in self.letters if letter not in chosen]
        self.retried += [letter.id for letter in chosen]
        return len(chosen)

    async def drop(self, ids: Collection[str]) -> int:
        before = len(self.letters)
        self.letters = [letter for letter in self.letters if letter.id not in ids]
        return before - len(self.letters)
