"""Texts like `k=100`."""

import pytest

from core.domain.errors import InvalidInput
from core.domain.named_values import named_values


def test_values_are_found_by_name() -> None:
    assert named_values(["k=100", "similarity = a=b"]) == {"k": "100", "similarity": "a=b"}


@pytest.mark.parametrize("text", ["k", "=3", "k=", ""])
def test_a_text_without_a_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="name=value is expected"):
        named_values([text])


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="k is given twice: 1 and 2"):
        named_values(["k=1", "k=2"])
