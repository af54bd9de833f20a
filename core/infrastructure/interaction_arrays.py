"""Interactions as they are copied out of Postgres: arrays, without an object for each."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.domain.interaction import InteractionType

_CASES = " ".join(f"when '{kind.value}' then {code}" for code, kind in enumerate(InteractionType))
_KNOWN = ", ".join(f"'{kind.value}'" for kind in InteractionType)
# A naive time is UTC, and in binary the same number as with a zone: a cast would cost a fifth of the query.
COLUMNS = f"user_id, post_id, (case interaction_type {_CASES} end)::int2, created_at"
WHOLE = f"interaction_type in ({_KNOWN}) and user_id is not null and post_id is not null and created_at is not null"
# PostgreSQL's COPY in binary: no field is null, so that every row is of one length.
_ROW = np.dtype([
    ("fields", ">i2"), ("user length", ">i4"), ("user", "S16"), ("post length", ">i4"), ("post", "S16"),
    ("kind length", ">i4"), ("kind", ">i2"), ("moment length", ">i4"), ("moment", ">i8"),
])  # fmt: skip
_HEADER_BYTES, _TRAILER_BYTES = 19, 2


class InteractionArrays(NamedTuple):
    """n interactions.

    user_keys, post_keys: (n,), dtype S16; type_codes: (n,), int64, places in InteractionType; moments: (n,), int64,
    microseconds since 2000 in UTC.
    """

    user_keys: NDArray[np.bytes_]
    post_keys: NDArray[np.bytes_]
    type_codes: NDArray[np.int64]
    moments: NDArray[np.int64]

    def of(self, wanted: NDArray[np.bool_] | NDArray[np.int64]) -> "InteractionArrays":
        """Those in these places, in this order."""
        return InteractionArrays(
            self.user_keys[wanted], self.post_keys[wanted], self.type_codes[wanted], self.moments[wanted]
        )


def copied_interactions(copied: bytes) -> InteractionArrays:
    """What COPY gave in binary for a query of COLUMNS where WHOLE."""
    count = (len(copied) - _HEADER_BYTES - _TRAILER_BYTES) // _ROW.itemsize
    rows = np.frombuffer(copied, dtype=_ROW, count=count, offset=_HEADER_BYTES)
    return InteractionArrays(
        np.ascontiguousarray(rows["user"]),
        np.ascontiguousarray(rows["post"]),
        rows["kind"].astype(np.int64),
        rows["moment"].astype(np.int64),
    )
