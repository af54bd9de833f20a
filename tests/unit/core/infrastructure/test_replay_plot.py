"""A replay as a picture."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from core.domain.errors import InvalidInput
from core.infrastructure.replay_plot import draw_replay
from core.recommender.bootstrap import Estimate
from core.recommender.replay_summary import Row

ROWS = [
    Row(10, algorithm, "known", age_hours, warm_only, 100, {"ndcg": Estimate(0.3, 0.2, 0.4)}, None)
    for warm_only in (False, True)
    for algorithm in ("user_knn", "popular")
    for age_hours in (0.0, 6.0)
]


def test_the_picture_names_groups_and_algorithms(tmp_path: Path) -> None:
    draw_replay(tmp_path / "replay.svg", ROWS, "28 windows")

    drawn = ElementTree.parse(tmp_path / "replay.svg").iter()
    texts = {"".join(element.itertext()).strip() for element in drawn if element.tag.endswith("text")}
    assert {"28 windows", "user_knn", "popular", "known posts, warm users", "known posts, everyone", "nDCG@10"} <= texts


def test_another_kind_of_file_and_a_place_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"\.svg or \.png"):
        draw_replay(tmp_path / "replay.pdf", ROWS, "")
    with pytest.raises(InvalidInput, match="cannot be written"):
        draw_replay(tmp_path / "nowhere" / "replay.svg", ROWS, "")
