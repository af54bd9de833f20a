"""Rows of length 1."""

import numpy as np
from scipy.sparse import csr_array

from core.recommender.normalisation import l2_normalised, row_lengths

MATRIX = csr_array(np.array([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0], [0.0, 5.0, 0.0]], dtype=np.float32))


def test_lengths_are_euclidean_and_0_for_empty_rows() -> None:
    assert row_lengths(MATRIX).tolist() == [5.0, 0.0, 5.0]


def test_rows_come_out_with_length_1_and_empty_ones_as_they_are() -> None:
    np.testing.assert_allclose(l2_normalised(MATRIX).toarray(), [[0.6, 0, 0.8], [0, 0, 0], [0, 1, 0]], rtol=1e-6)


def test_a_row_that_holds_only_zeros_stays_zero() -> None:
    zeros = csr_array((np.zeros(2, dtype=np.float32), [0, 1], [0, 2]), shape=(1, 3))

    assert l2_normalised(zeros).toarray().tolist() == [[0, 0, 0]]
