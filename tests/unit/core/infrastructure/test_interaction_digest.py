"""A fingerprint of interactions."""

import numpy as np
import pytest

from core.infrastructure.adbc_interaction_table import InteractionColumns
from core.infrastructure.interaction_digest import InteractionDigest, user_hashes

RANDOM = np.random.default_rng(5)
ROWS = InteractionColumns(
    user_keys=RANDOM.integers(0, 256, (50, 16), dtype=np.uint8).view("S16")[:, 0],
    post_keys=RANDOM.integers(0, 256, (50, 16), dtype=np.uint8).view("S16")[:, 0],
    type_codes=RANDOM.integers(0, 4, 50).astype(np.uint8),
    times=RANDOM.integers(0, 2_000_000_000, 50) + 0.25,
    now=2e9,
)


def digest_of(*parts: InteractionColumns) -> str:
    digest = InteractionDigest()
    for part in parts:
        digest.add(part)
    return digest.hexdigest()


def test_it_is_the_same_in_whatever_order_and_batches_they_come() -> None:
    order = RANDOM.permutation(50)
    first = order < 20

    assert digest_of(ROWS.of(first), ROWS.of(~first)) == digest_of(ROWS)
    assert digest_of(InteractionColumns(*(column[order] for column in ROWS[:4]), now=0.0)) == digest_of(ROWS)
    assert len(digest_of(ROWS)) == 32


@pytest.mark.parametrize("column", ["user_keys", "post_keys", "type_codes", "times"])
def test_a_change_of_any_value_changes_it(column: str) -> None:
    values = getattr(ROWS, column).copy()
    values[7] = values[8] if values[7] != values[8] else values[9]

    assert digest_of(ROWS._replace(**{column: values})) != digest_of(ROWS)


def test_a_row_that_comes_twice_changes_it() -> None:
    assert digest_of(ROWS, ROWS.of(np.arange(50) == 3)) != digest_of(ROWS)


def test_hashes_of_users_are_spread_evenly() -> None:
    keys = np.arange(20_000, dtype=np.uint64).repeat(2).view(np.uint8).reshape(-1, 16).view("S16")[:, 0]

    counts = np.bincount((user_hashes(keys) >> np.uint64(60)).astype(np.int64), minlength=16)

    assert counts.min() > 1_100
    assert counts.max() < 1_400
