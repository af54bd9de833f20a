"""Training as a whole."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.application.ports.run_tracker import RunKind
from core.application.train_model import TrainModel
from core.domain.errors import NotTrainable
from core.domain.gate import Gate, Outcome, WhenUnsure
from core.domain.model import ModelStatus
from core.domain.trial import Comparison, Measured, Trial
from tests.fakes.artefact_store import FakeArtefactStore
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.model_trial import FakeModelTrial
from tests.fakes.popular_posts import FakePopularPosts
from tests.fakes.run_tracker import FakeRunTracker
from tests.fakes.training import FakeModelTraining

GATE = Gate(margin=0.05, least_judged=100, least_share=0.5, budget_ms=50, when_unsure=WhenUnsure.PROMOTE)
WORSE = Trial(windows=7, judged=500, learned_anew=Comparison(500, 7, Measured(-0.4, -0.5, -0.3)))


def training_in(
    folder: Path,
    registry: FakeModelRegistry,
    popular: FakePopularPosts | None = None,
    *,
    count: int = 10,
    trial: FakeModelTrial | None = None,
    tracker: FakeRunTracker | None = None,
    content: bytes = b"a model",
) -> TrainModel:
    return TrainModel(
        FakeModelTraining(folder, content, interaction_count=count),
        FakeArtefactStore(folder),
        trial or FakeModelTrial(),
        GATE,
        registry,
        popular or FakePopularPosts(),
        tracker or FakeRunTracker(),
    )


async def test_a_trained_model_is_stored_registered_and_serves(tmp_path: Path) -> None:
    registry, popular = FakeModelRegistry(), FakePopularPosts()

    training = await training_in(tmp_path, registry, popular)(by="anna")

    serving = await registry.serving()
    assert training.record.version == "collaborative_filtering_v1"
    assert training.record.status is ModelStatus.CHAMPION
    assert training.refusal is None
    assert serving.model == training.record
    assert serving.epoch == 1
    assert popular.refresh_count == 1


async def test_the_next_training_takes_the_next_number_and_its_place(tmp_path: Path) -> None:
    registry = FakeModelRegistry()
    train = training_in(tmp_path, registry)
    await train(by="anna")

    second = (await train(by="anna")).record

    assert second.version == "collaborative_filtering_v2"
    assert (await registry.serving()).model == second
    assert registry.models[1].status is ModelStatus.RETIRED


async def test_the_new_model_is_tried_beside_the_champion_and_its_very_bytes(tmp_path: Path) -> None:
    registry, trial = FakeModelRegistry(), FakeModelTrial()
    first = (await training_in(tmp_path, registry, trial=trial)(by="anna")).record

    await training_in(tmp_path, registry, trial=trial)(by="anna")

    assert trial.tried[0] == (None, None)
    champion, file = trial.tried[1]
    assert champion == first
    assert file is not None
    assert file.name == f"{first.sha256}.joblib"


async def test_bytes_that_are_pruned_while_the_model_is_tried_are_stored_again(tmp_path: Path) -> None:
    trial = FakeModelTrial()
    train = training_in(tmp_path, FakeModelRegistry(), trial=trial)

    async def prune() -> None:
        for sha256 in list(stored):
            del stored[sha256]

    stored, trial.on_try = train.artefacts.contents, prune
    record = (await train(by="anna")).record

    assert list(stored) == [record.sha256]


async def test_what_the_gate_saw_and_said_is_kept_with_the_model(tmp_path: Path) -> None:
    registry = FakeModelRegistry()

    record = (await training_in(tmp_path, registry, trial=FakeModelTrial(WORSE))(by="anna")).record

    assert record.trial == WORSE
    assert record.verdict is not None
    assert record.verdict.outcome is Outcome.PASSED


async def test_a_model_that_is_worse_stays_a_candidate_and_the_gate_says_why(tmp_path: Path) -> None:
    registry = FakeModelRegistry()
    first = (await training_in(tmp_path, registry)(by="anna")).record

    training = await training_in(tmp_path, registry, trial=FakeModelTrial(WORSE))(by="anna")

    assert training.was_refused_by_gate
    assert "-40.0%" in (training.refusal or "")
    assert training.record.status is ModelStatus.CANDIDATE
    assert (await registry.serving()).model == first


async def test_past_the_gate_a_worse_model_serves_and_its_row_says_so(tmp_path: Path) -> None:
    registry, trial = FakeModelRegistry(), FakeModelTrial(WORSE)
    await training_in(tmp_path, registry)(by="anna")

    training = await training_in(tmp_path, registry, trial=trial)(by="anna", is_gated=False)

    assert training.record.status is ModelStatus.CHAMPION
    assert training.record.verdict is not None
    assert training.record.verdict.outcome is Outcome.BYPASSED
    assert not trial.tried


async def test_under_a_pin_the_new_model_stays_a_candidate(tmp_path: Path) -> None:
    registry = FakeModelRegistry()
    first = (await training_in(tmp_path, registry)(by="anna")).record
    registry.pin = 1

    training = await training_in(tmp_path, registry)(by="anna")

    assert training.record.status is ModelStatus.CANDIDATE
    assert not training.was_refused_by_gate
    assert "MODEL_PIN" in (training.refusal or "")
    assert (await registry.serving()).model == first


async def test_who_promotes_another_model_meanwhile_wins(tmp_path: Path) -> None:
    registry = FakeModelRegistry()
    train = training_in(tmp_path, registry)
    await train(by="anna")
    await training_in(tmp_path, registry, trial=FakeModelTrial(WORSE))(by="anna")
    slow = replace(train, trial=FakeModelTrial(on_try=lambda: registry.promote(2, "ben", registry.epoch)))

    training = await slow(by="anna")

    assert training.record.status is ModelStatus.CANDIDATE
    assert "ben has let collaborative_filtering_v2 serve meanwhile" in (training.refusal or "")


async def test_a_champion_whose_bytes_are_gone_does_not_hold_up_the_next_model(tmp_path: Path) -> None:
    registry, trial = FakeModelRegistry(), FakeModelTrial()
    await training_in(tmp_path, registry, content=b"bytes that nobody else has")(by="anna")
    (tmp_path / "elsewhere").mkdir()

    training = await training_in(tmp_path / "elsewhere", registry, trial=trial)(by="anna")

    assert training.record.status is ModelStatus.CHAMPION
    champion, file = trial.tried[0]
    assert champion is not None
    assert file is None


async def test_nothing_is_registered_when_there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    registry = FakeModelRegistry()

    with pytest.raises(NotTrainable):
        await training_in(tmp_path, registry, count=0)(by="anna")

    assert not registry.models


async def test_a_training_is_tracked_with_what_it_takes_to_compare_it(tmp_path: Path) -> None:
    tracker, measured = FakeRunTracker(), replace(WORSE, metrics={"ndcg_at_10": Measured(0.2, 0.1, 0.3)})
    measured = replace(measured, by_window={"ndcg_at_10": (0.1, 0.3)})

    await training_in(tmp_path, FakeModelRegistry(), trial=FakeModelTrial(measured), tracker=tracker)(by="anna")

    (run,) = tracker.runs
    assert (run.kind, run.name) == (RunKind.TRAINING, "collaborative_filtering_v1")
    assert run.parameters["algorithm"] == "user_knn"
    assert {name: run.metrics[name] for name in ("ndcg_at_10", "ndcg_at_10_low", "gain_over_champion")} == {
        "ndcg_at_10": 0.2,
        "ndcg_at_10_low": 0.1,
        "gain_over_champion": -0.4,
    }
    assert run.series == {"ndcg_at_10_by_window": (0.1, 0.3)}
    assert (run.tags["status"], run.tags["gate"]) == ("champion", "passed")
    assert run.files == (tmp_path / "trained-0.joblib",)


async def test_a_tracker_that_is_away_changes_nothing(tmp_path: Path) -> None:
    training = await training_in(tmp_path, FakeModelRegistry(), tracker=FakeRunTracker(is_away=True))(by="anna")

    assert training.record.status is ModelStatus.CHAMPION
