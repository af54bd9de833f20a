"""What a search for parameters has found, as a page and a picture."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from optuna.importance import get_param_importances

from core.infrastructure.optuna_tuning import Attempt, Tuned
from core.recommender.parameters import Value

REPORT, PICTURE = "report.md", "trials.svg"
LEAST_FOR_IMPORTANCES = 10

_COLUMNS = 3
_FAR_APART = 20


def write_report(tuned: Tuned, folder: Path, title: str, fixed: Mapping[str, Value] | None = None) -> Path:
    """Write the page and its picture into the folder; gives the page's path. fixed: what was not looked for."""
    from matplotlib import rc_context  # noqa: PLC0415 - importing it makes folders

    folder.mkdir(parents=True, exist_ok=True)
    # The same trials give the same bytes.
    with rc_context({"svg.hashsalt": "threads-ml"}):
        _picture(tuned).savefig(folder / PICTURE, metadata={"Date": None})
    report = folder / REPORT
    report.write_text(_page(tuned, title, fixed or {}), encoding="utf-8")
    return report


def shown(parameters: Mapping[str, Value]) -> str:
    """Parameters as ALGORITHM_PARAMETERS and --param take them."""
    return " ".join(f"{name}={_short(value)}" for name, value in parameters.items())


def _short(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _page(tuned: Tuned, title: str, fixed: Mapping[str, Value]) -> str:
    importances, first = _importances(tuned), tuned.start
    rows = "\n".join(
        f"| {name} | {_short(first.parameters[name])} | {_short(value)} | {importances.get(name, '')} |"
        for name, value in tuned.best.parameters.items()
    )
    explained = "" if importances else f"Importances need {LEAST_FOR_IMPORTANCES} trials.\n\n"
    return (
        f"# {title}\n\n{len(tuned.attempts)} trials. Best: {_worth(tuned.best)}; first: {_worth(first)}.\n\n"
        f"| parameter | first | best | importance |\n|---|---|---|---|\n{rows}\n\n{explained}"
        f"    ALGORITHM_PARAMETERS={shown({**fixed, **tuned.best.parameters})}\n\n![All trials]({PICTURE})\n"
    )


def _worth(attempt: Attempt) -> str:
    return "refused" if attempt.value is None else f"{attempt.value:.4f}"


def _importances(tuned: Tuned) -> dict[str, str]:
    """Shares of the values' variance that parameters explain, empty where that cannot be told."""
    values = {attempt.value for attempt in tuned.attempts if attempt.value is not None}
    if len(tuned.attempts) < LEAST_FOR_IMPORTANCES or len(values) < 2:
        return {}
    return {name: f"{share:.0%}" for name, share in get_param_importances(tuned.study).items()}


def _picture(tuned: Tuned) -> Any:
    """A figure of the values in the order of trials, and beside each parameter."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    worth = [attempt for attempt in tuned.attempts if attempt.value is not None]
    names = list(tuned.best.parameters)
    rows = math.ceil((1 + len(names)) / _COLUMNS)
    figure = Figure(figsize=(4 * _COLUMNS, 3 * rows), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    _draw_history(axes[0], worth)
    for panel, name in zip(axes[1:], names, strict=False):
        _draw_slice(panel, worth, name)
    for panel in axes[1 + len(names) :]:
        panel.set_visible(False)
    return figure


def _draw_history(panel: Any, worth: list[Attempt]) -> None:
    values = np.array([attempt.value for attempt in worth], dtype=np.float64)
    panel.plot(np.arange(1, len(values) + 1), values, ".", label="trial")
    panel.plot(np.arange(1, len(values) + 1), np.maximum.accumulate(values), "-", label="best so far")
    panel.set_xlabel("trial")
    panel.legend()


def _draw_slice(panel: Any, worth: list[Attempt], name: str) -> None:
    tried = [attempt.parameters[name] for attempt in worth]
    panel.plot(tried, np.array([attempt.value for attempt in worth], dtype=np.float64), ".")
    numbers = [value for value in tried if isinstance(value, int | float)]
    if numbers and min(numbers) > 0 and max(numbers) > _FAR_APART * min(numbers):
        panel.set_xscale("log")
    panel.set_xlabel(name)
