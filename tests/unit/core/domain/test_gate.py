"""The rules by which a candidate may serve."""

from dataclasses import replace

import pytest

from core.domain.gate import Gate, Learned, Outcome, WhenUnsure
from core.domain.trial import Comparison, Measured, Trial

GATE = Gate(margin=0.05, least_judged=100, least_share=0.5, budget_ms=50, when_unsure=WhenUnsure.PROMOTE)
LEARNED = Learned(interactions=1000, users=100, posts=50)
TRIAL = Trial(windows=7, judged=500, reach=40, champion_reach=42, generation_ms=0.8)


def compared(mean: float, low: float, high: float, judged: int = 500) -> Comparison:
    return Comparison(judged, 7, Measured(mean, low, high))


def outcome_of(trial: Trial, candidate: Learned = LEARNED, champion: Learned | None = LEARNED) -> Outcome:
    return GATE(trial, candidate, champion).outcome


@pytest.mark.parametrize(
    ("gain", "outcome"),
    [
        ((0.1, 0.02, 0.2), Outcome.PASSED),
        ((-0.01, -0.049, 0.03), Outcome.PASSED),
        ((0.0, -0.06, 0.06), Outcome.UNSURE),
        ((-0.049, -0.2, 0.1), Outcome.UNSURE),
        ((-0.051, -0.2, 0.1), Outcome.FAILED),
        ((-0.4, -0.5, -0.3), Outcome.FAILED),
    ],
)
def test_what_is_certainly_within_the_margin_passes_and_what_is_beyond_it_in_the_mean_fails(
    gain: tuple[float, float, float], outcome: Outcome
) -> None:
    assert outcome_of(replace(TRIAL, learned_anew=compared(*gain))) is outcome


def test_a_champion_that_learned_better_from_the_same_past_fails_the_new_model() -> None:
    worse = replace(TRIAL, on_same_past=compared(-0.3, -0.4, -0.2))

    verdict = GATE(worse, LEARNED, LEARNED)

    assert (verdict.outcome, verdict.admitted) == (Outcome.FAILED, False)
    assert "-30.0% (-40.0% … -20.0%) on the champion's past" in verdict.says


def test_what_happened_since_the_champion_learned_counts_only_when_it_is_enough() -> None:
    assert outcome_of(replace(TRIAL, on_same_past=compared(-0.3, -0.9, 0.4, judged=99))) is Outcome.PASSED


def test_whoever_learned_in_the_champion_s_way_is_no_worse() -> None:
    assert outcome_of(TRIAL) is Outcome.PASSED


@pytest.mark.parametrize(("setting", "admitted"), [(WhenUnsure.PROMOTE, True), (WhenUnsure.KEEP, False)])
def test_of_too_few_users_it_is_said_and_the_setting_followed(setting: WhenUnsure, *, admitted: bool) -> None:
    few = replace(TRIAL, judged=99, learned_anew=compared(-0.9, -1, -0.8, judged=99))

    verdict = replace(GATE, when_unsure=setting)(few, LEARNED, LEARNED)

    assert (verdict.outcome, verdict.admitted) == (Outcome.UNSURE, admitted)
    assert "99 users in 7 windows are too few" in verdict.says


def test_where_nothing_could_be_replayed_nobody_can_tell() -> None:
    verdict = GATE(replace(TRIAL, problem="the interactions are of less than a day"), LEARNED, LEARNED)

    assert verdict.outcome is Outcome.UNSURE
    assert "less than a day" in verdict.says


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (replace(LEARNED, interactions=499), "499 interactions, where the champion learned from 1,000"),
        (replace(LEARNED, users=10), "10 users, where the champion learned from 100"),
        (replace(LEARNED, posts=5), "5 posts, where the champion learned from 50"),
    ],
)
def test_a_model_of_far_less_data_than_the_champion_s_fails(candidate: Learned, said: str) -> None:
    verdict = GATE(TRIAL, candidate, LEARNED)

    assert verdict.outcome is Outcome.FAILED
    assert said in verdict.says


def test_lists_that_reach_far_fewer_posts_fail() -> None:
    assert outcome_of(replace(TRIAL, reach=20)) is Outcome.FAILED
    assert outcome_of(replace(TRIAL, reach=21)) is Outcome.PASSED


def test_empty_lists_fail_even_where_there_is_no_champion() -> None:
    assert outcome_of(replace(TRIAL, reach=0, champion_reach=None), champion=None) is Outcome.FAILED


def test_feeds_that_take_longer_than_the_budget_fail() -> None:
    assert outcome_of(replace(TRIAL, generation_ms=50.1)) is Outcome.FAILED


def test_the_first_model_need_only_work() -> None:
    verdict = GATE(replace(TRIAL, judged=0, champion_reach=None), Learned(3, 2, 2), None)

    assert (verdict.outcome, verdict.admitted) == (Outcome.PASSED, True)


def test_a_failure_outweighs_doubt_and_is_what_is_said() -> None:
    verdict = GATE(replace(TRIAL, judged=5, generation_ms=99), LEARNED, LEARNED)

    assert verdict.outcome is Outcome.FAILED
    assert verdict.says == "a feed takes 99.0 ms, 50 are allowed (GATE_BUDGET_MS)"
