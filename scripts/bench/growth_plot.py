"""The picture of `threads-ml bench growth`: two panels of one SVG file that brings its own background and colours."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Point = tuple[float, float]

_WIDTH, _HEIGHT = 870, 330
_TOP, _BOTTOM = 56, 270
_PANELS = ((64, 390), (510, 810))
_STEPS = (1, 2, 2.5, 5, 10, 20)
_MOST_TICKS = 6

_STYLE = """
  svg { --paper: #ffffff; --ink: #1f2328; --faint: #d1d9e0; --exact: #b35900; --bounded: #0969da; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --faint: #3d444d; --exact: #f0a45d; --bounded: #6cb6ff; }
  }
  text { font: 12px system-ui, sans-serif; fill: var(--ink); }
  .paper { fill: var(--paper); }
  .title { font-weight: 600; font-size: 14px; }
  .end { text-anchor: end; }
  .middle { text-anchor: middle; }
  .grid { stroke: var(--faint); }
  .aim { stroke: var(--ink); stroke-dasharray: 4 4; }
  .exact, .bounded { fill: none; stroke-width: 2; }
  .exact { stroke: var(--exact); }
  .bounded { stroke: var(--bounded); }
  circle.exact { fill: var(--exact); }
  circle.bounded { fill: var(--bounded); }
  text.exact, text.bounded { stroke: none; font-weight: 600; }
  text.exact { fill: var(--exact); }
  text.bounded { fill: var(--bounded); }
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes: users from left to right, logarithmic, and a figure from bottom to top."""

    left: float
    right: float
    users: Sequence[int]
    ticks: Sequence[float]

    def x(self, users: float) -> float:
        """Pixels from the left."""
        low, high = math.log(min(self.users)), math.log(max(self.users))
        share = (math.log(users) - low) / (high - low) if high > low else 0.5
        return round(self.left + share * (self.right - self.left), 1)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        low, high = self.ticks[0], self.ticks[-1]
        return round(_BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP), 1)


def growth_plot(figures: dict[str, Any]) -> str:
    """The SVG for the document of `threads-ml bench growth --json`."""
    lines = [*_times(figures), *_losses(figures)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="Time per user and loss of nDCG@10 by number of users">\n<style>{_STYLE}</style>\n'
        f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def _times(figures: dict[str, Any]) -> Iterable[str]:
    series = {
        mode: [(size["users"], size[mode]["microseconds_per_user"]) for size in figures["sizes"]]
        for mode in ("exact", "bounded")
    }
    aim = figures["target_growth"] * series["bounded"][0][1]
    values = [value for points in series.values() for _, value in points]
    panel = _panel(0, figures, [0, aim, *values])
    yield from _frame(panel, "Processor time per user, µs", "{:g}".format)
    yield from _aim(panel, aim, f"aim × {figures['target_growth']}")
    for mode, points in series.items():
        yield from _line(panel, mode, points)
        users, value = points[-1]
        yield f'<text class="end {mode}" x="{panel.x(users)}" y="{panel.y(value) - 10}">{mode}</text>'


def _losses(figures: dict[str, Any]) -> Iterable[str]:
    points = [(size["users"], 100 * size["loss"]) for size in figures["sizes"]]
    errors = [200 * size["loss_error"] for size in figures["sizes"]]
    reach = [value + side * error for (_, value), error in zip(points, errors, strict=True) for side in (-1, 1)]
    aim = 100 * figures["target_loss"]
    panel = _panel(1, figures, [0, aim, *reach])
    yield from _frame(panel, "Loss of nDCG@10, % (± 2 standard errors)", "{:g}".format)
    yield from _aim(panel, aim, f"aim {aim:g} %")
    for (users, value), error in zip(points, errors, strict=True):
        x = panel.x(users)
        yield f'<path class="bounded" d="M{x} {panel.y(value - error)}V{panel.y(value + error)}"/>'
    yield from _line(panel, "bounded", points)


def _panel(place: int, figures: dict[str, Any], values: Sequence[float]) -> Panel:
    return Panel(*_PANELS[place], [size["users"] for size in figures["sizes"]], ticks(min(values), max(values)))


def ticks(low: float, high: float) -> list[float]:
    """Few round numbers at equal distances, the first at or below `low`, the last at or above `high`."""
    magnitude = 10.0 ** math.floor(math.log10((high - low) / _MOST_TICKS))
    for step in (magnitude * step for step in _STEPS):
        first, last = math.floor(low / step), math.ceil(high / step)
        if last - first <= _MOST_TICKS:
            break
    return [round(number * step, 9) for number in range(first, last + 1)]


def _frame(panel: Panel, title: str, as_text: Callable[[float], str]) -> Iterable[str]:
    yield f'<text class="title" x="{panel.left - 40}" y="26">{title}</text>'
    for value in panel.ticks:
        y = panel.y(value)
        yield f'<path class="grid" d="M{panel.left} {y}H{panel.right}"/>'
        yield f'<text class="end" x="{panel.left - 8}" y="{y + 4}">{as_text(value)}</text>'
    for users in panel.users:
        yield f'<text class="middle" x="{panel.x(users)}" y="{_BOTTOM + 20}">{users:,}</text>'
    middle = (panel.left + panel.right) / 2
    yield f'<text class="middle" x="{middle}" y="{_BOTTOM + 44}">users (logarithmic)</text>'


def _aim(panel: Panel, value: float, words: str) -> Iterable[str]:
    y = panel.y(value)
    yield f'<path class="aim" d="M{panel.left} {y}H{panel.right}"/>'
    yield f'<text x="{panel.right + 6}" y="{y + 4}">{words}</text>'


def _line(panel: Panel, mode: str, points: Sequence[Point]) -> Iterable[str]:
    places = [(panel.x(users), panel.y(value)) for users, value in points]
    yield f'<polyline class="{mode}" points="{" ".join(f"{x},{y}" for x, y in places)}"/>'
    for x, y in places:
        yield f'<circle class="{mode}" cx="{x}" cy="{y}" r="3.5"/>'
