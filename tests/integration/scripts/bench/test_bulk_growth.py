"""The picture and the table of bulk generation show every figure; the documents' are of the same ones."""

import json
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from typer.testing import CliRunner

from scripts.bench.bulk import BulkFigures
from scripts.bench.bulk_growth import app, row_of
from scripts.bench.bulk_plot import bulk_plot
from tests.house.tree import ROOT

SVG = "{http://www.w3.org/2000/svg}"


def figures(*sizes: tuple[int, float, float, int, int]) -> dict[str, Any]:
    return {
        "target_users_per_s": 4000,
        "sizes": [
            {
                "users": users,
                "users_per_s": speed,
                "engine_users_per_s": engine,
                "memory": {"worker": {"most_afterwards": worker}, "command": {"most_afterwards": command}},
            }
            for users, speed, engine, worker, command in sizes
        ],
    }


def test_every_figure_is_a_point_the_higher_the_more_it_is() -> None:
    first, second, third = (100, 900.0, 5e3, 300, 100), (1000, 4000.0, 9e3, 200, 110), (9000, 3000.0, 8e3, 400, 90)

    root = ElementTree.fromstring(bulk_plot(figures(first, second, third)))

    kernel, whole, worker, command = (
        [float(point.split(",")[1]) for point in line.attrib["points"].split()] for line in root.iter(f"{SVG}polyline")
    )
    assert whole[1] < whole[2] < whole[0]
    assert kernel[1] < kernel[2] < kernel[0]
    assert worker[2] < worker[0] < worker[1]
    assert command[1] < command[0] < command[2]
    assert {"100", "9,000", "kernel alone", "worker", "aim 4,000"} <= {text.text for text in root.iter(f"{SVG}text")}


@pytest.mark.parametrize("arguments", [["--sizes", "many"], ["--sizes", "1"], ["--plot", "nowhere/at.svg"]])
def test_what_cannot_be_measured_is_said_before_anything_is(arguments: list[str]) -> None:
    refused = CliRunner().invoke(app, arguments)

    assert refused.exit_code == 2
    assert arguments[1].partition("/")[0] in refused.output


def test_the_picture_and_the_table_in_the_documents_show_the_figures_beside_them() -> None:
    measured = json.loads((ROOT / "docs" / "bulk.json").read_text())
    section = (ROOT / "docs" / "scaling.md").read_text().partition("## Bulk generation")[2]

    assert (ROOT / "docs" / "pictures" / "bulk.svg").read_text() == bulk_plot(measured)
    for size in measured["sizes"]:
        assert " | ".join(row_of(msgspec.convert(size, BulkFigures))) in section
