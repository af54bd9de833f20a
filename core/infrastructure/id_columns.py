"""Columns of text ids turned into UUIDs, as `core.domain.ids` turns one."""

from functools import lru_cache
from hashlib import sha1
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.domain.ids import NAMESPACE
from core.infrastructure.interaction_rows import UUID_BYTES, Uuids

LONGEST_ID_CHARACTERS = 512
REMEMBERED_IDS = 1 << 17

_NAMESPACE_BYTES = NAMESPACE.bytes
_LENGTH = 36
_DASHES = np.array([8, 13, 18, 23])
_DIGITS = np.setdiff1d(np.arange(_LENGTH), _DASHES)
_NO_DIGIT = 255
_NIBBLES = np.full(256, _NO_DIGIT, np.uint8)
_NIBBLES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
_NIBBLES[np.frombuffer(b"ABCDEF", np.uint8)] = np.arange(10, 16)


class IdColumns:
    """Remembers ids from one column to the next, so that each text is hashed and told of about once."""

    def __init__(self, remembered: int = REMEMBERED_IDS) -> None:
        self._hashed = lru_cache(remembered)(self._hash)
        self._external: list[tuple[bytes, str]] = []

    def to_uuids(self, texts: pa.StringArray) -> Uuids:
        """The 16 bytes of each text's UUID; no text may be null."""
        encoded = texts.dictionary_encode()
        rows: NDArray[np.int32] = encoded.indices.to_numpy()
        return self._distinct_to_uuids(encoded.dictionary)[rows]

    def take_external(self) -> list[tuple[bytes, str]]:
        """Ids and texts of what was not a UUID since the last call; one that was forgotten meanwhile comes again."""
        taken, self._external = self._external, []
        return taken

    def _distinct_to_uuids(self, texts: pa.StringArray) -> Uuids:
        uuids = np.empty(len(texts), UUID_BYTES)
        is_uuid = pc.equal(pc.binary_length(texts), _LENGTH).to_numpy(zero_copy_only=False)
        if is_uuid.any():
            decoded, is_canonical = _decoded(texts.filter(pa.array(is_uuid)))
            is_uuid[is_uuid] = is_canonical
            uuids[is_uuid] = decoded[is_canonical]
        if not is_uuid.all():
            others = texts.filter(pa.array(~is_uuid)).to_pylist()
            uuids[~is_uuid] = np.frombuffer(b"".join(map(self._hashed, others)), UUID_BYTES)
        return uuids

    def _hash(self, text: str) -> bytes:
        """The bytes of `uuid5(NAMESPACE, text)`."""
        hashed = bytearray(sha1(_NAMESPACE_BYTES + text.encode(), usedforsecurity=False).digest()[:16])
        hashed[6] = hashed[6] & 0x0F | 0x50
        hashed[8] = hashed[8] & 0x3F | 0x80
        self._external.append((bytes(hashed), text))
        return bytes(hashed)


def _decoded(texts: pa.StringArray) -> tuple[Uuids, NDArray[np.bool_]]:
    """UUIDs of texts of 36 bytes, and which of the texts are canonical; the other UUIDs mean nothing."""
    _, offsets, content = texts.buffers()
    start = np.frombuffer(offsets, np.int32)[texts.offset]
    characters = np.frombuffer(content, np.uint8)[start : start + len(texts) * _LENGTH].reshape(-1, _LENGTH)
    nibbles = _NIBBLES[characters[:, _DIGITS]]
    is_canonical = (characters[:, _DASHES] == ord("-")).all(axis=1) & (nibbles != _NO_DIGIT).all(axis=1)
    decoded: NDArray[Any] = nibbles[:, ::2] << 4 | nibbles[:, 1::2]
    return np.ascontiguousarray(decoded).view(UUID_BYTES).ravel(), is_canonical


def id_problems(texts: pa.StringArray, name: str) -> list[tuple[NDArray[np.bool_], str]]:
    """For each rule of ids, the rows that break it and what to say of them; a null breaks the first."""
    is_empty = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0)
    is_long = pc.greater(pc.utf8_length(texts), LONGEST_ID_CHARACTERS)
    has_nul = pc.match_substring(texts, "\0")
    return [
        (_mask(is_empty, null=True), f"empty {name} id"),
        (_mask(is_long, null=False), f"{name} id of more than {LONGEST_ID_CHARACTERS} characters"),
        (_mask(has_nul, null=False), f"{name} id with a NUL character"),
    ]


def _mask(values: pa.BooleanArray, *, null: bool) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = values.fill_null(null).to_numpy(zero_copy_only=False)
    return mask
