"""What came out when a new model was tried beside the one that serves, before it may take its place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Measured:
    """A mean over users, and between which values it lies with 95 % confidence."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same users in the same windows, with the candidate's lists and with the champion's.

    gain: of nDCG over the champion's mean, as a share of it: 0.1 is a tenth better; judged: users in windows.
    """

    judged: int
    windows: int
    gain: Measured


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate's figures, and the champion's beside them where there is one.

    metrics: by name, as `ndcg_at_10`, over everyone judged; by_window: the means, a value a window, in order of time;
    learned_anew: both learn afresh before every window, None where they learn in the same way; on_same_past: in the
    windows since the champion learned, its very arrays beside what the candidate's way learns from the table as it is
    now up to the champion's moment, which tells a table that was spoiled since; reach, champion_reach: how many
    different posts the lists of the same sampled users hold; generation_ms: in 99 of 100 cases a feed of the candidate
    takes no longer; problem: why there are no figures, if there are none.
    """

    metrics: Mapping[str, Measured] = field(default_factory=dict)
    by_window: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    first_window_at: datetime | None = None
    last_window_at: datetime | None = None
    windows: int = 0
    judged: int = 0
    gain_over_popular: Measured | None = None
    learned_anew: Comparison | None = None
    on_same_past: Comparison | None = None
    reach: int | None = None
    champion_reach: int | None = None
    generation_ms: float | None = None
    problem: str | None = None
