"""Looking for parameters with Optuna: trials that survive the process, beginning with the defaults."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from core.recommender.parameters import Choice, Parameter, Value, Whole, parameters_of

_SPACE, _START = "space", "start"
_SEED_STEP = 1_000_003
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One trial: value is None where the objective refused its parameters."""

    parameters: Mapping[str, Value]
    value: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found: all attempts in their order; higher values are better.

    start: the parameters to be beaten, tried beside the trials; study: Optuna's own, for plots.
    """

    attempts: tuple[Attempt, ...]
    start: Attempt
    study: Study

    @property
    def best(self) -> Attempt:
        """The attempt with the highest value, the start before all others, and of several the first."""
        tried = (self.start, *self.attempts)
        return max(tried, key=lambda attempt: -math.inf if attempt.value is None else attempt.value)


def _ignore(_done: int, _best: float) -> None:
    """Nobody watches."""


def tunable(algorithm: type, *, timed: bool) -> dict[str, Parameter]:
    """The parameters worth tuning; where interactions have no times, not those that only times give a meaning."""
    return {
        name: parameter
        for name, parameter in parameters_of(algorithm).items()
        if isinstance(parameter, Choice) or (parameter.tuned is not None and (timed or not parameter.timed))
    }


def defaults_of(algorithm: type, space: Mapping[str, Parameter]) -> dict[str, Value]:
    """The defaults of these parameters; some are outside the bounds between which tuning looks."""
    defaults = {field.name: field.default for field in fields(algorithm)}
    return {name: parameter.checked(defaults[name]) for name, parameter in space.items()}


def tune(
    space: Mapping[str, Parameter],
    objective: Callable[[Mapping[str, Value]], float],
    *,
    trials: int,
    seed: int = 0,
    start: Mapping[str, Value],
    storage: Path | None = None,
    name: str = "tuning",
    on_trial: Callable[[int, float], None] = _ignore,
) -> Tuned:
    """Try `start`, whatever the bounds, then parameters within them until `trials` are done in all, the nearest first.

    storage: a file in which trials are kept; a second call with the same name goes on after the last one that was done.
    objective: higher is better; parameters for which it raises ValueError are passed over, any other error ends the
    search, which can go on later. on_trial: told how many are done, and the best value. Bergstra et al., Algorithms for
    hyper-parameter optimization, NIPS 2011 (TPE). Raises ValueError for a storage that cannot be read or that holds a
    search of that name in another space, and where nothing could be tried with success.
    """
    study = _study(storage, name, seed, repr(sorted(space.items())))
    first = _started(study, objective, start)
    if not _ended(study):
        study.enqueue_trial({name: _within(parameter, start[name]) for name, parameter in space.items()})
    while (done := len(_ended(study))) < trials:
        trial = study.ask()
        parameters = {name: _suggested(trial, name, parameter) for name, parameter in space.items()}
        _attempt(study, trial, parameters, objective)
        on_trial(done + 1, _best_so_far(study))
    attempts = tuple(_attempt_of(trial) for trial in _ended(study))
    if all(attempt.value is None for attempt in (first, *attempts)):
        raise ValueError(f"none of {len(attempts)} trials could be carried out: {_reason(study)}")
    return Tuned(attempts, first, study)


def _started(study: Study, objective: Callable[[Mapping[str, Value]], float], start: Mapping[str, Value]) -> Attempt:
    """Tried once for all calls that go on with the study."""
    if _START not in study.user_attrs:
        started = time.perf_counter()
        try:
            value: float | None = objective(start)
        except ValueError as error:
            value = None
            study.set_user_attr("reason", str(error))
        study.set_user_attr(_START, {"value": value, "seconds": time.perf_counter() - started})
    return Attempt(start, **study.user_attrs[_START])


def _study(storage: Path | None, name: str, seed: int, space: str) -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _readable(storage):
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(storage))) if storage else None,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
        )
        # Going on, the generator must not begin again with the numbers that it has drawn already.
        study.sampler = TPESampler(seed=seed + len(study.trials) * _SEED_STEP)
        kept = study.user_attrs.setdefault(_SPACE, space) if study.user_attrs else space
    if kept != space:
        raise ValueError(f"{storage} holds a search named {name!r} in another space: use another file")
    study.set_user_attr(_SPACE, space)
    return study


@contextmanager
def _readable(storage: Path | None) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a damaged file provokes
        raise ValueError(f"{storage} cannot be read as trials: {error}; remove it to begin anew") from error


def _attempt(
    study: Study, trial: Trial, parameters: Mapping[str, Value], objective: Callable[[Mapping[str, Value]], float]
) -> None:
    started = time.perf_counter()
    try:
        value = objective(parameters)
    except ValueError as error:
        trial.set_user_attr("reason", str(error))
        study.tell(trial, state=TrialState.PRUNED)
    else:
        trial.set_user_attr("seconds", time.perf_counter() - started)
        study.tell(trial, value)


def _suggested(trial: Trial, name: str, parameter: Parameter) -> Value:
    if isinstance(parameter, Choice):
        return str(trial.suggest_categorical(name, parameter.words))
    if parameter.tuned is None:
        raise ValueError(f"{name} has no bounds between which tuning could look")
    low, high = parameter.tuned
    if isinstance(parameter, Whole):
        return trial.suggest_int(name, int(low), int(high), log=not parameter.linear)
    return trial.suggest_float(name, low, high, log=not parameter.linear)


def _within(parameter: Parameter, value: Any) -> Value:
    if isinstance(parameter, Choice) or parameter.tuned is None:
        return parameter.checked(value)
    low, high = parameter.tuned
    # A half-life of 0 is none: the longest there is comes nearest to it.
    meant = high if parameter.timed and value == 0 else value
    return parameter.checked(min(max(meant, low), high))


def _ended(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=_ENDED)


def _best_so_far(study: Study) -> float:
    values = [trial.value for trial in _ended(study) if trial.value is not None]
    return max(values, default=float("nan"))


def _attempt_of(trial: FrozenTrial) -> Attempt:
    return Attempt(trial.params, trial.value, trial.user_attrs.get("seconds", 0.0))


def _reason(study: Study) -> str:
    ended = _ended(study)
    return str(ended[-1].user_attrs.get("reason", "") if ended else study.user_attrs.get("reason", ""))
