"""What cannot be is refused before the kernel, which checks nothing."""

import numpy as np
import pytest

from core.recommender.feed_filling import Rules, fill_feeds


def test_a_code_beyond_the_count_is_refused() -> None:
    starts, seen = np.array([0, 1]), np.array([7], dtype=np.int32)
    ranked = np.empty((1, 0), dtype=np.int32), np.empty((1, 0), dtype=np.float32)

    with pytest.raises(ValueError, match="codes must be less than 7"):
        fill_feeds((starts, seen), ranked, (np.empty(0, dtype=np.int32), np.empty(0)), 7, Rules(5, 0.1, 1))
