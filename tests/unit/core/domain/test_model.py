"""Names of models."""

import pytest

from core.domain.errors import InvalidInput
from core.domain.model import version_name, version_number


@pytest.mark.parametrize("text", ["v3", "collaborative_filtering_v3"])
def test_short_and_full_names_mean_the_same_model(text: str) -> None:
    assert version_name(version_number(text)) == "collaborative_filtering_v3"


@pytest.mark.parametrize("text", ["", "3", "v0", "v-1", "popular_v3", "v3.1", "v9999999999"])
def test_other_names_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match="write v1, v2"):
        version_number(text)
