"""The picture of growth shows every figure; the documents' picture and table are of the same ones."""

import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.bench.growth_plot import growth_plot
from scripts.bench.svg_panels import ticks
from tests.house.tree import ROOT

SVG = "{http://www.w3.org/2000/svg}"


def figures(*sizes: tuple[int, float, float, float]) -> dict[str, Any]:
    modes = ("exact", "bounded")
    return {
        "target_growth": 1.25,
        "target_loss": 0.01,
        "sizes": [
            {"users": users, "loss": loss, "loss_error": 0.002}
            | {mode: {"microseconds_per_user": time} for mode, time in zip(modes, times, strict=True)}
            for users, *times, loss in sizes
        ],
    }


def test_every_figure_is_a_point_further_right_the_more_users_and_higher_the_longer_it_takes() -> None:
    root = ElementTree.fromstring(
        growth_plot(figures((100, 10.0, 5.0, 0.02), (300, 20.0, 6.0, -0.01), (1000, 50.0, 7.0, 0.0)))
    )

    exact, bounded, loss = (
        [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        for line in root.iter(f"{SVG}polyline")
    )
    assert [x for x, _ in exact] == sorted({x for x, _ in bounded})
    assert exact[2][1] < exact[1][1] < exact[0][1] < bounded[0][1]
    assert loss[0][1] < loss[2][1] < loss[1][1]
    assert {"100", "300", "1,000", "exact", "bounded"} <= {text.text for text in root.iter(f"{SVG}text")}


def test_one_size_alone_can_be_drawn() -> None:
    ElementTree.fromstring(growth_plot(figures((100, 10.0, 5.0, 0.0))))


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4))
def test_ticks_are_few_and_enclose_what_is_drawn(low: float, span: float) -> None:
    marks = ticks(low, low + span)

    assert 2 <= len(marks) <= 7
    assert marks[0] <= low + 1e-6
    assert marks[-1] >= low + span - 1e-6
    assert np.diff(marks) == pytest.approx(marks[1] - marks[0])


def test_the_picture_in_the_documents_shows_the_figures_beside_it() -> None:
    measured = json.loads((ROOT / "docs" / "growth.json").read_text())

    assert (ROOT / "docs" / "pictures" / "growth.svg").read_text() == growth_plot(measured)


def test_the_table_in_the_documents_shows_the_figures_beside_it() -> None:
    measured = json.loads((ROOT / "docs" / "growth.json").read_text())
    section = (ROOT / "docs" / "scaling.md").read_text().partition("## Growth")[2]

    growths = zip(measured["exact_growth"], measured["bounded_growth"], strict=True)
    for size, (exact, bounded) in zip(measured["sizes"], growths, strict=True):
        times = [
            f"{size[mode]['microseconds_per_user']:.0f} µs | {growth:.2f}"
            for mode, growth in (("exact", exact), ("bounded", bounded))
        ]
        loss = f"{100 * size['loss'] + 0:.1f} ± {100 * size['loss_error']:.1f} %"
        row = [f"{size['users']:,}", f"{size['pairs'] / 1e6:.1f} million", *times, f"{size['exact']['ndcg']:.3f}", loss]
        assert " | ".join(row) in section
