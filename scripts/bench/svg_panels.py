"""Pictures of two panels over numbers of users, as SVG files that bring their own background and colours."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Point = tuple[float, float]

_WIDTH, _HEIGHT = 870, 330
_TOP, _BOTTOM = 56, 270
_PANELS = ((64, 390), (510, 810))
_STEPS = (1, 2, 2.5, 5, 10, 20)
_MOST_TICKS = 6

_STYLE = """
  svg { --paper: #ffffff; --ink: #1f2328; --faint: #d1d9e0; --first: #b35900; --second: #0969da; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --faint: #3d444d; --first: #f0a45d; --second: #6cb6ff; }
  }
  text { font: 12px system-ui, sans-serif; fill: var(--ink); }
  .paper { fill: var(--paper); }
  .title { font-weight: 600; font-size: 14px; }
  .end { text-anchor: end; }
  .middle { text-anchor: middle; }
  .grid { stroke: var(--faint); }
  .aim { stroke: var(--ink); stroke-dasharray: 4 4; }
  .first, .second { fill: none; stroke-width: 2; }
  .first { stroke: var(--first); }
  .second { stroke: var(--second); }
  circle.first { fill: var(--first); }
  circle.second { fill: var(--second); }
  text.first, text.second { stroke: none; font-weight: 600; }
  text.first { fill: var(--first); }
  text.second { fill: var(--second); }
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


def picture(title: str, lines: Iterable[str]) -> str:
    """The SVG. title: for who cannot see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{title}">\n<style>{_STYLE}</style>\n'
        f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def panel_of(place: int, users: Sequence[int], values: Sequence[float]) -> Panel:
    """The left (0) or the right (1) one, in which all of these values find room."""
    return Panel(*_PANELS[place], users, ticks(min(values), max(values)))


def ticks(low: float, high: float) -> list[float]:
    """Few round numbers at equal distances, the first at or below `low`, the last at or above `high`."""
    magnitude = 10.0 ** math.floor(math.log10((high - low) / _MOST_TICKS))
    for step in (magnitude * step for step in _STEPS):
        first, last = math.floor(low / step), math.ceil(high / step)
        if last - first <= _MOST_TICKS:
            break
    return [round(number * step, 9) for number in range(first, last + 1)]


def frame(panel: Panel, title: str, as_text: Callable[[float], str]) -> Iterable[str]:
    """Axes, and what they tell of."""
    yield f'<text class="title" x="{panel.left - 40}" y="26">{title}</text>'
    for value in panel.ticks:
        y = panel.y(value)
        yield f'<path class="grid" d="M{panel.left} {y}H{panel.right}"/>'
        yield f'<text class="end" x="{panel.left - 8}" y="{y + 4}">{as_text(value)}</text>'
    for users in panel.users:
        yield f'<text class="middle" x="{panel.x(users)}" y="{_BOTTOM + 20}">{users:,}</text>'
    middle = (panel.left + panel.right) / 2
    yield f'<text class="middle" x="{middle}" y="{_BOTTOM + 44}">users (logarithmic)</text>'


def aim(panel: Panel, value: float, words: str) -> Iterable[str]:
    """A dashed line at what is to be reached."""
    y = panel.y(value)
    yield f'<path class="aim" d="M{panel.left} {y}H{panel.right}"/>'
    yield f'<text x="{panel.right + 6}" y="{y + 4}">{words}</text>'


def line(panel: Panel, kind: str, points: Sequence[Point], words: str = "") -> Iterable[str]:
    """One figure at each number of users. kind: `first` or `second`; words: at its end."""
    places = [(panel.x(users), panel.y(value)) for users, value in points]
    yield f'<polyline class="{kind}" points="{" ".join(f"{x},{y}" for x, y in places)}"/>'
    for x, y in places:
        yield f'<circle class="{kind}" cx="{x}" cy="{y}" r="3.5"/>'
    if words:
        x, y = places[-1]
        yield f'<text class="end {kind}" x="{x}" y="{y - 10}">{words}</text>'
