"""How long all but a share of many things took."""

from collections.abc import Sequence


def percentile(figures: Sequence[float], share: float) -> float:
    """The figure above which at most the rest of the share lies; there must be one. share: below 1."""
    return sorted(figures)[int(share * len(figures))]
