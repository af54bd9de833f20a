"""A replay as a picture: how nDCG falls with the age of lists, a line with its interval for each algorithm."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.domain.errors import InvalidInput
from core.infrastructure.evaluation_plot import STYLE, check_format
from core.recommender.replay_summary import Row


def draw_replay(path: Path, rows: Sequence[Row], title: str) -> None:
    """Write the SVG or PNG: a panel for each target and group of users. Raises InvalidInput where that cannot be."""
    check_format(path)
    from matplotlib import rc_context  # noqa: PLC0415 - importing it makes folders
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    groups = list(dict.fromkeys((row.k, row.target, row.warm_only) for row in rows))
    with rc_context(STYLE):
        figure = Figure(figsize=(4 * len(groups), 3.4), layout="constrained")
        panels = figure.subplots(1, len(groups), squeeze=False)[0]
        for panel, group in zip(panels, groups, strict=True):
            _draw(panel, [row for row in rows if (row.k, row.target, row.warm_only) == group])
        figure.suptitle(title)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        try:
            figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
        except OSError as error:
            raise InvalidInput(f"{path}: cannot be written: {error.strerror or error}") from error


def _draw(panel: Any, rows: Sequence[Row]) -> None:
    first = rows[0]
    for algorithm in dict.fromkeys(row.algorithm for row in rows):
        own = sorted((row for row in rows if row.algorithm == algorithm), key=lambda row: row.age_hours)
        ages, estimates = [row.age_hours for row in own], [row.measures["ndcg"] for row in own]
        (line,) = panel.plot(ages, [estimate.mean for estimate in estimates], "o-", label=algorithm)
        low, high = [estimate.low for estimate in estimates], [estimate.high for estimate in estimates]
        panel.fill_between(ages, low, high, color=line.get_color(), alpha=0.2)
    panel.set_title(f"{first.target} posts, {'warm users' if first.warm_only else 'everyone'}")
    panel.set_xlabel("age of the list, hours")
    panel.set_ylabel(f"nDCG@{first.k}")
    panel.set_ylim(bottom=0)
