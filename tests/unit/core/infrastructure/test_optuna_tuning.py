"""Looking for parameters: what is found, what is kept, and what goes on after a kill."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from core.infrastructure.optuna_tuning import defaults_of, tunable, tune
from core.recommender.parameters import Choice, Parameter, Real, Value, Whole
from core.recommender.user_knn import UserKNN

SPACE: dict[str, Parameter] = {
    "k": Whole(1, 1000, tuned=(1, 100)),
    "share": Real(0, 1, tuned=(0, 1), linear=True),
    "way": Choice(("good", "bad")),
}
START: dict[str, Value] = {"k": 10, "share": 0.5, "way": "bad"}


def worth(parameters: Mapping[str, Value]) -> float:
    """Highest at k = 40, share = 0.25, the good way."""
    return (
        -abs(float(parameters["k"]) - 40) / 40 - abs(float(parameters["share"]) - 0.25) - (parameters["way"] == "bad")
    )


def test_what_is_found_is_better_than_the_start_and_near_the_best_there_is() -> None:
    tuned = tune(SPACE, worth, trials=80, seed=1, start=START)

    assert tuned.start.parameters == START
    assert tuned.start.value == worth(START)
    assert tuned.best.value == worth(tuned.best.parameters) > -0.3
    assert tuned.best.parameters["way"] == "good"
    assert len(tuned.attempts) == 80


def test_the_same_seed_tries_the_same_and_another_seed_something_else() -> None:
    one, again, other = (
        [attempt.parameters for attempt in tune(SPACE, worth, trials=12, seed=s, start=START).attempts]
        for s in (1, 1, 2)
    )

    assert one == again != other


def test_values_stay_within_their_bounds() -> None:
    for attempt in tune(SPACE, worth, trials=30, seed=3, start=START).attempts:
        assert 1 <= float(attempt.parameters["k"]) <= 100
        assert 0 <= float(attempt.parameters["share"]) <= 1


def test_after_a_kill_it_goes_on_where_it_was_and_tries_nothing_twice(tmp_path: Path) -> None:
    asked: list[Mapping[str, Value]] = []

    def killed_in_the_sixth(parameters: Mapping[str, Value]) -> float:
        asked.append(parameters)
        if len(asked) == 6:
            raise KeyboardInterrupt
        return worth(parameters)

    with pytest.raises(KeyboardInterrupt):
        tune(SPACE, killed_in_the_sixth, trials=8, start=START, storage=tmp_path / "trials.log")
    told: list[int] = []
    tuned = tune(
        SPACE, worth, trials=8, start=START, storage=tmp_path / "trials.log", on_trial=lambda done, _: told.append(done)
    )

    assert told == [5, 6, 7, 8]
    assert asked[0] == START
    assert [attempt.parameters for attempt in tuned.attempts[:4]] == asked[1:5]
    assert len({repr(attempt.parameters) for attempt in tuned.attempts}) == 8


def test_a_kill_while_the_start_is_tried_does_not_lose_it(tmp_path: Path) -> None:
    def killed(_parameters: Mapping[str, Value]) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(SPACE, killed, trials=3, start=START, storage=tmp_path / "trials.log")
    tuned = tune(SPACE, worth, trials=3, start=START, storage=tmp_path / "trials.log")

    assert (tuned.start.parameters, tuned.start.value) == (START, worth(START))
    assert tuned.attempts[0].parameters == START


def test_a_start_outside_the_bounds_is_tried_as_it_is_and_stays_if_nothing_is_better() -> None:
    best_of_all = {"k": 0, "share": 0.5, "way": "bad"}

    tuned = tune(SPACE, lambda parameters: float(parameters["k"] == 0), trials=4, start=best_of_all)

    assert (tuned.best.parameters, tuned.best.value) == (best_of_all, 1)
    assert tuned.attempts[0].parameters["k"] == 1


def test_nothing_is_tried_where_all_is_done_already(tmp_path: Path) -> None:
    first = tune(SPACE, worth, trials=6, start=START, storage=tmp_path / "trials.log")

    def never(_parameters: Mapping[str, Value]) -> float:
        raise AssertionError("there was nothing left to try")

    assert tune(SPACE, never, trials=6, start=START, storage=tmp_path / "trials.log").best == first.best


def test_parameters_that_the_objective_refuses_are_passed_over() -> None:
    def refusing(parameters: Mapping[str, Value]) -> float:
        if parameters["way"] == "bad":
            raise ValueError("a bad way")
        return worth(parameters)

    tuned = tune(SPACE, refusing, trials=25, start=START)

    assert tuned.start.value is None
    assert tuned.best.parameters["way"] == "good"


def test_where_nothing_can_be_carried_out_the_reason_is_told() -> None:
    def refusing(_parameters: Mapping[str, Value]) -> float:
        raise ValueError("nobody to judge")

    with pytest.raises(ValueError, match="none of 3 trials could be carried out: nobody to judge"):
        tune(SPACE, refusing, trials=3, start=START)


def test_a_damaged_file_and_another_space_are_refused(tmp_path: Path) -> None:
    (tmp_path / "damaged.log").write_text("no trials at all\n")
    tune(SPACE, worth, trials=2, start=START, storage=tmp_path / "trials.log")

    with pytest.raises(ValueError, match=r"damaged.log cannot be read as trials: .*; remove it to begin anew"):
        tune(SPACE, worth, trials=2, start=START, storage=tmp_path / "damaged.log")
    with pytest.raises(ValueError, match="in another space"):
        tune({"k": Whole(1, 9, tuned=(1, 9))}, worth, trials=2, start={"k": 3}, storage=tmp_path / "trials.log")


def test_what_only_times_give_a_meaning_is_tuned_with_times_alone() -> None:
    timed, timeless = (set(tunable(UserKNN, timed=either)) for either in (True, False))

    assert timed - timeless == {"similarity_half_life", "vote_half_life", "post_half_life"}
    assert "additions" not in timed


def test_defaults_are_what_the_algorithm_has_without_being_told() -> None:
    start = defaults_of(UserKNN, tunable(UserKNN, timed=True))

    assert start == {name: value for name, value in UserKNN().get_params().items() if name != "additions"}
