"""JSON bodies, checked against a struct field by field."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET

from core.domain.errors import InvalidInput

MAX_BODY_BYTES = 64 * 1024
MAX_EVENTS_BYTES = 1024 * 1024
MAX_ERRORS = 20

Body = TypeVar("Body", bound=msgspec.Struct)

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
_AT_INDEX = re.compile(r" - at `\$\[(\d+)\]`$")


class FieldError(msgspec.Struct, frozen=True):
    """One field that breaks its rule: `pointer` is a JSON pointer into the body."""

    pointer: str
    detail: str


class FieldsRefused(InvalidInput):
    """One or several fields break their rules."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{error.pointer or 'the body'} {error.detail}" for error in errors))
        self.errors = errors


class ParametersRefused(FieldsRefused):
    """The same of parameters of the path, whatever the method: the pointers name them behind the slash."""


class MediaTypeRefused(InvalidInput):
    """The body says that it is something else than JSON."""


class JsonBody(Generic[Body]):
    """Reads the bodies of one struct, and tells all that is wrong where msgspec tells the first thing only."""

    def __init__(
        self,
        kind: type[Body],
        rules: Mapping[str, str],
        lenient: Mapping[str, Callable[[bytes], Any]] | None = None,
        one_of: Sequence[str] = (),
    ) -> None:
        """rules: what each field must be, in words; lenient: other ways to read a field than by its type; one_of:
        two or more fields, UNSET where they are not sent, of which exactly one must be.
        """
        self._one_of = one_of
        self._choice = attrgetter(*one_of) if len(one_of) > 1 else None
        self._kind = kind
        self._rules = rules
        self._whole = msgspec.json.Decoder(kind)
        self._fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        self._decoders: dict[str, Callable[[bytes], Any]] = {
            name: msgspec.json.Decoder(field.type).decode for name, field in self._fields.items()
        }
        self._decoders.update(lenient or {})

    def read(self, content_type: str, body: bytes) -> Body:
        """The body, checked; raises MediaTypeRefused, FieldsRefused, and InvalidInput for what is no JSON at all."""
        check_json_type(content_type)
        return self.parse(body)

    def parse(self, body: bytes) -> Body:
        """The same of bytes that are known to be JSON, or a part of it."""
        try:
            try:
                return self._checked(self._whole.decode(body), body)
            except msgspec.ValidationError:
                return self._read_field_by_field(body)
        except UnicodeDecodeError as error:
            raise InvalidInput("the body must be UTF-8") from error
        except RecursionError as error:
            raise InvalidInput("the body must be JSON of a reasonable depth") from error
        except msgspec.DecodeError as error:
            raise InvalidInput(f"the body must be JSON: {_with_small_initial(str(error))}") from error

    def decode(self, name: str, value: bytes) -> Any:
        """One field from its JSON. Raises msgspec.DecodeError."""
        return self._decoders[name](value)

    def _checked(self, read: Body, body: bytes) -> Body:
        if self._choice is not None and self._choice(read).count(UNSET) != len(self._one_of) - 1:
            raise FieldsRefused(list(self._errors_of(body)))
        return read

    def _read_field_by_field(self, body: bytes) -> Body:
        """What the decoder of whole bodies refuses may still be right: a limit of 50.0 is one of 50."""
        errors = list(islice(self._errors_of(body), MAX_ERRORS))
        if errors:
            raise FieldsRefused(errors) from None
        return self._kind(**{name: self.decode(name, bytes(value)) for name, value in _OBJECT.decode(body).items()})

    def _errors_of(self, body: bytes) -> Iterator[FieldError]:
        try:
            sent = _OBJECT.decode(body)
        except msgspec.ValidationError:
            yield FieldError("", "must be a JSON object")
            return
        for name, field in self._fields.items():
            if name in sent:
                yield from self._errors_in(name, sent[name])
            elif field.required:
                yield FieldError(f"/{name}", f"is missing: it must be {self._rules[name]}")
        yield from self._errors_in_choice(sent)
        for name in (name for name in sent if name not in self._fields):
            yield FieldError(f"/{_escaped(name)}", f"is unknown: the fields are {', '.join(self._fields)}")

    def _errors_in_choice(self, sent: Collection[str]) -> Iterator[FieldError]:
        chosen = [name for name in self._one_of if name in sent]
        if self._one_of and not chosen:
            rules = "; or ".join(f"{name}, {self._rules[name]}" for name in self._one_of)
            yield FieldError(f"/{self._one_of[0]}", f"is missing: it must be one of {rules}")
        for name in chosen[1:]:
            yield FieldError(f"/{name}", f"must not be sent together with {chosen[0]}")

    def _errors_in(self, name: str, value: msgspec.Raw) -> Iterator[FieldError]:
        try:
            self.decode(name, bytes(value))
        except msgspec.ValidationError as error:
            index = _AT_INDEX.search(str(error))
            pointer = f"/{name}/{index[1]}" if index else f"/{name}"
            reason = _with_small_initial(_AT_INDEX.sub("", str(error)))
            yield FieldError(pointer, f"must be {self._rules[name]} ({reason})")


def check_json_type(content_type: str) -> None:
    """Raise MediaTypeRefused for what does not say that it is JSON."""
    if _JSON_TYPE.fullmatch(content_type.strip()) is None:
        raise MediaTypeRefused("the body must be JSON: send it with Content-Type: application/json")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _with_small_initial(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
