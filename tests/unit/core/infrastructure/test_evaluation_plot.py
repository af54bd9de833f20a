"""An evaluation as a picture."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from core.domain.errors import InvalidInput
from core.infrastructure.evaluation_plot import check_format, draw_evaluation
from core.recommender.bootstrap import Estimate

FIGURES = {
    name: {
        metric: Estimate(mean, mean - 0.01, mean + 0.02)
        for metric in ("ndcg@10", "ndcg@20", "recall@10", "recall@20", "mrr@10", "mrr@20", "novelty@10", "novelty@20")
    }
    for name, mean in (("user_knn", 0.2), ("popular", 0.1))
}


def test_the_svg_names_algorithms_metrics_and_lengths(tmp_path: Path) -> None:
    path = tmp_path / "plot.svg"

    draw_evaluation(path, FIGURES, "test by train")

    texts = {
        "".join(element.itertext()).strip()
        for element in ElementTree.parse(path).iter()
        if element.tag.endswith("text")
    }
    assert {"user_knn", "popular", "ndcg", "recall", "mrr", "novelty", "@10", "@20", "test by train"} <= texts


def test_the_same_figures_give_the_same_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one.svg", tmp_path / "other.svg"

    for path in (one, other):
        draw_evaluation(path, FIGURES, "title")

    assert one.read_bytes() == other.read_bytes()


def test_a_png_is_drawn_without_the_global_state_of_pyplot(tmp_path: Path) -> None:
    path = tmp_path / "plot.PNG"

    draw_evaluation(path, {"popular": {"ndcg@10": Estimate(float("nan"), float("nan"), float("nan"))}}, "nothing")

    assert path.read_bytes().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules


def test_other_kinds_of_files_and_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"a plot is \.svg or \.png"):
        draw_evaluation(tmp_path / "plot.pdf", FIGURES, "title")
    with pytest.raises(InvalidInput, match=r"plot\.svg: cannot be written"):
        draw_evaluation(tmp_path / "absent" / "plot.svg", FIGURES, "title")


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.infrastructure.evaluation_plot.find_spec", lambda _name: None)

    with pytest.raises(InvalidInput, match="a plot needs matplotlib: install the dependency group `evaluation`"):
        check_format(Path("plot.svg"))
