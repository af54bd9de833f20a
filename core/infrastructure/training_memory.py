"""What training takes of memory, and how it keeps to a limit."""

from dataclasses import dataclass

from core.domain.errors import ConfigurationError
from core.infrastructure.gathered_interactions import ModelSize
from core.recommender.inverted_index import MOST_BLOCK_ROWS

MB = 1_000_000

# Measured, docs/scaling.md, and held by a test: above the idle process, at the peak.
WHOLE_BYTES_PER_INTERACTION = 120
FIXED_BYTES = 24 * MB
BYTES_PER_PAIR = 22
BYTES_PER_ID = 72
BYTES_PER_HELD_INTERACTION = 60

_BATCH_SHARE, _SLICE_SHARE = 64, 4


@dataclass(frozen=True, slots=True)
class TrainingMemory:
    """A limit above the idle process, 0 for none, and how many matrices are made of the same interactions."""

    limit_mb: int
    matrix_count: int = 1

    def holds_all(self, count: int, ids: int = 0) -> bool:
        """Whether so many interactions of so many different users and posts together can be held at once."""
        return not self.limit_mb or whole_bytes(count * self.matrix_count, ids) <= self.limit_mb * MB

    @property
    def batch_bytes(self) -> int:
        """How much to fetch at once."""
        return max(64 * 1024, min(4 * MB, self._spare_bytes // _BATCH_SHARE))

    @property
    def slice_rows(self) -> int:
        """How many interactions to hold before they are summed."""
        return max(1, self._spare_bytes // (_SLICE_SHARE * self._held_bytes))

    def holds_model(self, size: ModelSize) -> bool:
        """Whether a model of this size can be made."""
        return model_bytes(size) <= self.limit_mb * MB

    def check_held(self, held: int, count: int) -> None:
        """Raise ConfigurationError where one user's interactions, of `count` in all, are more than can be held."""
        if held * self._held_bytes > self._spare_bytes:
            enough_mb = -(-whole_bytes(count * self.matrix_count, ids=2 * count) // MB)
            raise ConfigurationError(
                f"MEMORY_LIMIT_MB={self.limit_mb} is too little for a user of {held:,} interactions or more: "
                f"{enough_mb} is enough for those of all users; 0 is no limit"
            )

    def check_model(self, size: ModelSize) -> None:
        """Raise ConfigurationError, saying what would be right, where a model of this size cannot be made."""
        if not self.holds_model(size):
            needed_mb = -(-model_bytes(size) // MB)
            raise ConfigurationError(
                f"MEMORY_LIMIT_MB={self.limit_mb} is too little for a model of {size.users:,} users, {size.posts:,} "
                f"posts and {size.pairs:,} pairs: {needed_mb} is needed; 0 is no limit"
            )

    def check_learning(self, learning_bytes: int) -> None:
        """Raise ConfigurationError where an algorithm takes more than there is, beside the interactions."""
        if self.limit_mb and learning_bytes > self._spare_bytes:
            needed_mb = -(-(FIXED_BYTES + learning_bytes) // MB)
            raise ConfigurationError(
                f"MEMORY_LIMIT_MB={self.limit_mb} is too little for this ALGORITHM and so many posts: {needed_mb} and "
                "what the interactions take is needed; 0 is no limit"
            )

    @property
    def _held_bytes(self) -> int:
        return BYTES_PER_HELD_INTERACTION * self.matrix_count

    @property
    def _spare_bytes(self) -> int:
        """What is left for interactions; a little in any case, to find out what would be needed."""
        return max(MB, self.limit_mb * MB - FIXED_BYTES)


def whole_bytes(count: int, ids: int) -> int:
    """The peak of a training that holds so many interactions at once, of so many different users and posts together."""
    return FIXED_BYTES + WHOLE_BYTES_PER_INTERACTION * count + BYTES_PER_ID * ids


def model_bytes(size: ModelSize) -> int:
    """The peak while a model is made from its matrix and written."""
    index_starts = 4 * size.posts * (size.users // MOST_BLOCK_ROWS + 1)
    ids = BYTES_PER_ID * (size.users + size.posts)
    return FIXED_BYTES + BYTES_PER_PAIR * size.pairs + ids + index_starts
