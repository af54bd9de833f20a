"""The rules by which a candidate may take the champion's place."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from core.domain.trial import Comparison, Trial


class Outcome(StrEnum):
    """What a check, or all of them, came to."""

    PASSED = "passed"
    UNSURE = "unsure"
    FAILED = "failed"
    BYPASSED = "bypassed"


class WhenUnsure(StrEnum):
    """What becomes of a candidate of which nobody can tell."""

    PROMOTE = "promote"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Check:
    """One question, its answer, and the figures in words."""

    name: str
    outcome: Outcome
    says: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks, and whether the candidate is admitted."""

    outcome: Outcome
    admitted: bool
    checks: tuple[Check, ...] = ()

    @property
    def says(self) -> str:
        """Why, in one line: what failed, else what nobody can tell, else what passed."""
        telling = [check for check in self.checks if check.outcome is self.outcome]
        return "; ".join(check.says for check in telling)


BYPASSED = Verdict(
    Outcome.BYPASSED, admitted=True, checks=(Check("gate", Outcome.BYPASSED, "the gate was bypassed by --no-gate"),)
)


@dataclass(frozen=True, slots=True)
class Learned:
    """How much a model learned from."""

    interactions: int
    users: int
    posts: int


@dataclass(frozen=True, slots=True)
class Gate:
    """A candidate must not be worse beyond the margin, must reach the catalogue, and must be quick enough.

    margin: the loss of nDCG that is let pass, as a share of the champion's; least_judged: users in windows below which
    no quality is told; least_share: of the champion's interactions, users, posts and reach; budget_ms: for one feed.
    """

    margin: float
    least_judged: int
    least_share: float
    budget_ms: float
    when_unsure: WhenUnsure

    def __call__(self, trial: Trial, candidate: Learned, champion: Learned | None) -> Verdict:
        """Judge the trial. champion: None where none serves: then the candidate need only work."""
        checks = tuple(self._checks(trial, candidate, champion))
        outcomes = {check.outcome for check in checks}
        outcome = next(one for one in (Outcome.FAILED, Outcome.UNSURE, Outcome.PASSED) if one in outcomes)
        admitted = outcome is Outcome.PASSED or (outcome is Outcome.UNSURE and self.when_unsure is WhenUnsure.PROMOTE)
        return Verdict(outcome, admitted, checks)

    def _checks(self, trial: Trial, candidate: Learned, champion: Learned | None) -> Iterator[Check]:
        yield self._quality(trial, champion)
        if trial.on_same_past is not None and trial.on_same_past.judged >= self.least_judged:
            yield self._compared("on the champion's past", trial.on_same_past)
        if champion is not None:
            yield self._data(candidate, champion)
        if trial.reach is not None:
            yield self._reach(trial.reach, trial.champion_reach)
        if trial.generation_ms is not None:
            yield self._speed(trial.generation_ms)

    def _quality(self, trial: Trial, champion: Learned | None) -> Check:
        name = "quality"
        if champion is None:
            return Check(name, Outcome.PASSED, "no champion to be compared with")
        if trial.problem is not None:
            return Check(name, Outcome.UNSURE, f"its quality could not be told: {trial.problem}")
        if trial.judged < self.least_judged:
            return Check(
                name,
                Outcome.UNSURE,
                f"{trial.judged} users in {trial.windows} windows are too few to tell its quality: "
                f"{self.least_judged} are asked for (GATE_LEAST_JUDGED)",
            )
        if trial.learned_anew is None:
            return Check(name, Outcome.PASSED, "it learned in the champion's way")
        return self._compared(name, trial.learned_anew)

    def _compared(self, name: str, comparison: Comparison) -> Check:
        """Certainly within the margin passes; a mean beyond it fails; between the two nobody can tell."""
        gain = comparison.gain
        outcome = Outcome.UNSURE
        if gain.low >= -self.margin:
            outcome = Outcome.PASSED
        elif gain.mean < -self.margin:
            outcome = Outcome.FAILED
        where = "" if name == "quality" else f" {name}"
        return Check(
            name,
            outcome,
            f"nDCG@10 {gain.mean:+.1%} ({gain.low:+.1%} … {gain.high:+.1%}){where}, over {comparison.judged:,} users "
            f"in {comparison.windows} windows; {-self.margin:.0%} is let pass (GATE_MARGIN)",
        )

    def _data(self, candidate: Learned, champion: Learned) -> Check:
        pairs = {
            "interactions": (candidate.interactions, champion.interactions),
            "users": (candidate.users, champion.users),
            "posts": (candidate.posts, champion.posts),
        }
        short = [
            f"{ours:,} {what}, where the champion learned from {theirs:,}"
            for what, (ours, theirs) in pairs.items()
            if ours < self.least_share * theirs
        ]
        if short:
            return Check("data", Outcome.FAILED, f"it learned from {' and '.join(short)} (GATE_LEAST_SHARE)")
        return Check("data", Outcome.PASSED, f"it learned from {candidate.interactions:,} interactions")

    def _reach(self, reach: int, champion_reach: int | None) -> Check:
        said = f"the lists of sampled users hold {reach:,} different posts"
        if reach == 0:
            return Check("catalogue", Outcome.FAILED, "its lists are empty")
        if champion_reach is None:
            return Check("catalogue", Outcome.PASSED, said)
        outcome = Outcome.FAILED if reach < self.least_share * champion_reach else Outcome.PASSED
        return Check("catalogue", outcome, f"{said}, the champion's {champion_reach:,} (GATE_LEAST_SHARE)")

    def _speed(self, generation_ms: float) -> Check:
        outcome = Outcome.FAILED if generation_ms > self.budget_ms else Outcome.PASSED
        return Check(
            "speed", outcome, f"a feed takes {generation_ms:.1f} ms, {self.budget_ms:g} are allowed (GATE_BUDGET_MS)"
        )
