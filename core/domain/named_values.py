"""Texts like `k=100`, as options and settings hold them."""

from collections.abc import Iterable

from core.domain.errors import InvalidInput


def named_values(texts: Iterable[str]) -> dict[str, str]:
    """The values by name. Raises InvalidInput for a text that is not such, and for a name that comes twice."""
    values: dict[str, str] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        if not (name and value):
            raise InvalidInput(f"{text!r} is wrong: name=value is expected")
        if name in values:
            raise InvalidInput(f"{name} is given twice: {values[name]} and {value}")
        values[name] = value
    return values
