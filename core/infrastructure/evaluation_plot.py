"""An evaluation as a picture: a panel for each metric, a bar with its interval for each algorithm and k."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.domain.errors import InvalidInput
from core.recommender.bootstrap import Estimate

FORMATS = (".svg", ".png")

_PANELS_A_ROW = 3
_PANEL_INCHES = (4.0, 3.2)
_GROUP_WIDTH = 0.8
STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "threads-ml", "font.size": 9.0}
"""Texts stay texts, and the same figures give the same file."""


def draw_evaluation(path: Path, by_algorithm: Mapping[str, Mapping[str, Estimate]], title: str) -> None:
    """Write the SVG or PNG. by_algorithm: estimates by names like `ndcg@10`, the same names for each algorithm.

    Raises InvalidInput for another kind of file, and where it cannot be written.
    """
    check_format(path)
    from matplotlib import rc_context  # noqa: PLC0415 - importing it makes folders

    names = list(dict.fromkeys(name for estimates in by_algorithm.values() for name in estimates))
    metrics = list(dict.fromkeys(name.partition("@")[0] for name in names))
    with rc_context(STYLE):
        figure, panels = _panels(len(metrics))
        for panel, metric in zip(panels, metrics, strict=True):
            _draw(panel, metric, [name for name in names if name.partition("@")[0] == metric], by_algorithm)
        figure.suptitle(title)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(by_algorithm))
        _save(figure, path)


def check_format(path: Path) -> None:
    """Raise InvalidInput unless the name says SVG or PNG and there is something to draw it with."""
    if path.suffix.lower() not in FORMATS:
        raise InvalidInput(f"{path}: a plot is {' or '.join(FORMATS)}")
    if find_spec("matplotlib") is None:
        raise InvalidInput("a plot needs matplotlib: install the dependency group `evaluation`")


def _panels(count: int) -> tuple[Any, Sequence[Any]]:
    """The figure and its axes."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    columns = min(count, _PANELS_A_ROW)
    rows = -(-count // columns)
    figure = Figure(figsize=(columns * _PANEL_INCHES[0], rows * _PANEL_INCHES[1]), layout="constrained")
    return figure, [figure.add_subplot(rows, columns, 1 + place) for place in range(count)]


def _draw(panel: Any, metric: str, names: Sequence[str], by_algorithm: Mapping[str, Mapping[str, Estimate]]) -> None:
    width = _GROUP_WIDTH / len(by_algorithm)
    for place, (algorithm, estimates) in enumerate(by_algorithm.items()):
        shift = (place - (len(by_algorithm) - 1) / 2) * width
        shown = [estimates[name] for name in names]
        panel.bar(
            [group + shift for group in range(len(names))],
            [estimate.mean for estimate in shown],
            width,
            yerr=_whiskers(shown),
            capsize=3,
            label=algorithm,
        )
    panel.set_title(metric)
    panel.set_xticks(range(len(names)), [f"@{name.partition('@')[2]}" for name in names])
    panel.spines[["top", "right"]].set_visible(False)


def _whiskers(estimates: Sequence[Estimate]) -> list[list[float]]:
    """How far each interval reaches down and up; a mean just outside its interval, as rounding may leave it, is 0."""
    down = [max(0.0, estimate.mean - estimate.low) for estimate in estimates]
    up = [max(0.0, estimate.high - estimate.mean) for estimate in estimates]
    return [down, up]


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written: {error.strerror or error}") from error
