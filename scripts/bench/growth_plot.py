"""The picture of `threads-ml bench growth`."""

from collections.abc import Iterable, Sequence
from typing import Any

from scripts.bench.svg_panels import Panel, aim, frame, line, panel_of, picture

_KINDS = {"exact": "first", "bounded": "second"}


def growth_plot(figures: dict[str, Any]) -> str:
    """The SVG for the document of `threads-ml bench growth --json`."""
    return picture("Time per user and loss of nDCG@10 by number of users", [*_times(figures), *_losses(figures)])


def _times(figures: dict[str, Any]) -> Iterable[str]:
    series = {
        mode: [(size["users"], size[mode]["microseconds_per_user"]) for size in figures["sizes"]] for mode in _KINDS
    }
    wanted = figures["target_growth"] * series["bounded"][0][1]
    panel = _panel(0, figures, [0, wanted, *(value for points in series.values() for _, value in points)])
    yield from frame(panel, "Processor time per user, µs", "{:g}".format)
    yield from aim(panel, wanted, f"aim × {figures['target_growth']}")
    for mode, points in series.items():
        yield from line(panel, _KINDS[mode], points, mode)


def _losses(figures: dict[str, Any]) -> Iterable[str]:
    points = [(size["users"], 100 * size["loss"]) for size in figures["sizes"]]
    errors = [200 * size["loss_error"] for size in figures["sizes"]]
    reach = [value + side * error for (_, value), error in zip(points, errors, strict=True) for side in (-1, 1)]
    wanted = 100 * figures["target_loss"]
    panel = _panel(1, figures, [0, wanted, *reach])
    yield from frame(panel, "Loss of nDCG@10, % (± 2 standard errors)", "{:g}".format)
    yield from aim(panel, wanted, f"aim {wanted:g} %")
    for (users, value), error in zip(points, errors, strict=True):
        x = panel.x(users)
        yield f'<path class="second" d="M{x} {panel.y(value - error)}V{panel.y(value + error)}"/>'
    yield from line(panel, "second", points)


def _panel(place: int, figures: dict[str, Any], values: Sequence[float]) -> Panel:
    return panel_of(place, [size["users"] for size in figures["sizes"]], values)
