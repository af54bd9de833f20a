"""Parameters of algorithms: which values each may have, and between which it is worth tuning."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Self, get_args, get_origin, get_type_hints

Value = int | float | str


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number. tuned: the bounds between which tuning looks, on a logarithmic scale unless `linear`."""

    least: int
    most: int
    tuned: tuple[int, int] | None = None
    linear: bool = False
    timed: bool = False

    def checked(self, value: Any) -> int:
        """The number. Raises ValueError that says what it must be."""
        number = float(value)
        if not number.is_integer() or not self.least <= number <= self.most:
            raise ValueError(f"a whole number from {self.least} to {self.most} is expected")
        return int(value) if isinstance(value, int) else int(number)


@dataclass(frozen=True, slots=True)
class Real:
    """A number. tuned: the bounds between which tuning looks, on a logarithmic scale unless `linear`.

    timed: it has no effect on interactions without times, so it is not tuned there.
    """

    least: float
    most: float
    tuned: tuple[float, float] | None = None
    linear: bool = False
    timed: bool = False

    def checked(self, value: Any) -> float:
        """The number. Raises ValueError that says what it must be."""
        number = float(value)
        if not (math.isfinite(number) and self.least <= number <= self.most):
            raise ValueError(f"a number from {self.least:g} to {self.most:g} is expected")
        return number


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    def checked(self, value: Any) -> str:
        """The word. Raises ValueError that says which there are."""
        if value not in self.words:
            raise ValueError(f"one of {', '.join(self.words)} is expected")
        return str(value)


Parameter = Whole | Real | Choice


class Parameterised:
    """A dataclass whose fields are parameters, as scikit-learn's `clone` and search take them.

    Its BaseEstimator would bring pandas into every worker where that is installed: a second, and 60 MB.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn passes it
        """The parameters by name."""
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]  # the children are dataclasses
        return {name: getattr(self, name) for name in names}

    def set_params(self, **parameters: Any) -> Self:
        """Change these. Raises ValueError for unknown ones."""
        for name in parameters:
            if name not in self.get_params():
                raise ValueError(f"there is no parameter {name!r}")
        vars(self).update(parameters)
        return self


def hours(tuned: tuple[float, float]) -> Real:
    """A half-life in hours, 0 for none."""
    return Real(0, 1_000_000, tuned=tuned, timed=True)


def parameters_of(algorithm: type) -> dict[str, Parameter]:
    """The parameters of an algorithm by name, as its fields' annotations say."""
    hints = get_type_hints(algorithm, include_extras=True)
    annotations = {field.name: hints[field.name] for field in fields(algorithm)}
    return {
        name: next(part for part in get_args(annotation)[1:] if isinstance(part, Whole | Real | Choice))
        for name, annotation in annotations.items()
        if get_origin(annotation) is Annotated
    }


def check_parameters(algorithm: Any) -> None:
    """Raise ValueError, naming the parameter, for a value that it may not have."""
    for name, parameter in parameters_of(type(algorithm)).items():
        _checked(name, parameter, getattr(algorithm, name))


def parsed_parameters(algorithm: type, given: Mapping[str, Any]) -> dict[str, Value]:
    """Values or texts by name as the algorithm takes them. Raises ValueError that names what is wrong."""
    known = parameters_of(algorithm)
    for name in given:
        if name not in known:
            raise ValueError(f"there is no parameter {name!r}: it has {', '.join(known) or 'none'}")
    return {name: _checked(name, known[name], value) for name, value in given.items()}


def _checked(name: str, parameter: Parameter, value: Any) -> Value:
    try:
        return parameter.checked(value)
    except (ValueError, TypeError) as error:
        rule = str(error) if str(error).endswith("is expected") else "a number is expected"
        raise ValueError(f"{name}={value} is wrong: {rule}") from error
