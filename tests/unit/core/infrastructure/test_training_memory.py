"""What training takes of memory."""

import re

import pytest

from core.domain.errors import ConfigurationError
from core.infrastructure.gathered_interactions import ModelSize
from core.infrastructure.training_memory import MB, TrainingMemory

LARGE = ModelSize(users=100_000, posts=50_000, pairs=5_000_000)


def test_no_limit_holds_everything_at_once() -> None:
    assert TrainingMemory(0).holds_all(0)


def test_a_limit_holds_all_interactions_or_reads_them_in_slices() -> None:
    memory = TrainingMemory(640)

    assert memory.holds_all(5_000_000)
    assert not memory.holds_all(6_000_000)
    assert not memory.holds_all(5_000_000, ids=300_000)


@pytest.mark.parametrize("limit_mb", [1, 30, 100, 1000, 100_000])
def test_batches_and_slices_are_never_empty_and_grow_with_the_limit(limit_mb: int) -> None:
    memory, larger = TrainingMemory(limit_mb), TrainingMemory(2 * limit_mb)

    assert 1 <= memory.slice_rows <= larger.slice_rows
    assert 0 < memory.batch_bytes <= larger.batch_bytes <= 4 * MB


def test_a_model_that_does_not_fit_is_refused_with_a_limit_that_would_be_right() -> None:
    with pytest.raises(ConfigurationError, match=r"^MEMORY_LIMIT_MB=50 is too little .*5,000,000 pairs") as refused:
        TrainingMemory(50).check_model(LARGE)

    needed_mb = re.search(r"(\d+) is needed", str(refused.value))
    assert needed_mb
    TrainingMemory(int(needed_mb[1])).check_model(LARGE)
    with pytest.raises(ConfigurationError):
        TrainingMemory(int(needed_mb[1]) - 1).check_model(LARGE)


def test_one_user_of_more_interactions_than_can_be_held_is_refused_with_a_limit_that_would_be_right() -> None:
    with pytest.raises(ConfigurationError, match=r"^MEMORY_LIMIT_MB=50 is too little for a user of 2,000") as refused:
        TrainingMemory(50).check_held(2_000_000, 5_000_000)

    enough_mb = re.search(r"(\d+) is enough", str(refused.value))
    assert enough_mb
    assert TrainingMemory(int(enough_mb[1])).holds_all(5_000_000)
    TrainingMemory(50).check_held(1000, 5_000_000)
