"""What a search has found, as a page and a picture."""

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from core.infrastructure.optuna_tuning import Tuned, tune
from core.infrastructure.tuning_report import PICTURE, shown, write_report
from core.recommender.parameters import Choice, Parameter, Real, Value, Whole

SPACE: dict[str, Parameter] = {
    "k": Whole(1, 1000, tuned=(1, 100)),
    "half_life": Real(0, 100, tuned=(1, 50)),
    "way": Choice(("good", "bad")),
}


def worth(parameters: Mapping[str, Value]) -> float:
    if parameters["way"] == "bad" and float(parameters["k"]) > 90:
        raise ValueError("too many on a bad way")
    return 1 - abs(float(parameters["k"]) - 40) / 100


def tuned(trials: int) -> Tuned:
    return tune(SPACE, worth, trials=trials, start={"k": 10, "half_life": 5.0, "way": "bad"})


def test_the_page_shows_the_best_beside_the_first_and_how_to_use_it(tmp_path: Path) -> None:
    found = tuned(30)

    page = write_report(found, tmp_path / "new", "Tuning").read_text()

    assert f"Best: {found.best.value:.4f}; first: 0.7000" in page
    assert "| k | 10 | " in page
    assert f"ALGORITHM_PARAMETERS={shown(found.best.parameters)}\n" in page
    assert "%" in next(line for line in page.splitlines() if line.startswith("| k |"))


def test_the_picture_is_an_svg_of_all_trials_and_the_same_each_time(tmp_path: Path) -> None:
    write_report(tuned(12), tmp_path / "one", "Tuning")
    write_report(tuned(12), tmp_path / "other", "Tuning")

    one, other = ((tmp_path / name / PICTURE).read_text() for name in ("one", "other"))
    assert ElementTree.fromstring(one).tag.endswith("svg")
    assert one == other


def test_importances_of_few_trials_are_left_out(tmp_path: Path) -> None:
    assert "Importances need 10 trials." in write_report(tuned(3), tmp_path, "Tuning").read_text()


def test_parameters_are_shown_as_settings_take_them() -> None:
    assert shown({"k": 40, "half_life": 12.3456789, "way": "good"}) == "k=40 half_life=12.3457 way=good"
