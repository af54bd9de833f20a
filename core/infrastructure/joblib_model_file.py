"""Models as files: plain arrays, written by joblib, and read back without trusting the file."""

import hashlib
import tempfile
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

import joblib
import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler
from numpy.typing import NDArray

from core.domain.errors import ArtefactRefused
from core.infrastructure.artefact_cache import PARTIAL, cannot_keep, forget_partial_files

Arrays = Mapping[str, NDArray[Any]]


class _NumericArrayWrapper(NumpyArrayWrapper):  # type: ignore[misc]  # joblib carries no types
    """Refuses arrays of objects before their nested pickle stream is read."""

    def read(self, unpickler: Any, ensure_native_byte_order: bool) -> Any:
        if self.dtype.hasobject or self.subclass is not np.ndarray:
            raise ArtefactRefused("the model file holds something else than numeric arrays")
        return super().read(unpickler, ensure_native_byte_order)


_ADMITTED = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _NumericArrayWrapper,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArraysOnlyUnpickler(NumpyUnpickler):  # type: ignore[misc]  # joblib carries no types
    """Knows the three names that a dictionary of numeric arrays needs, and no other."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise ArtefactRefused(
                f"the model file asks for {module}.{name}: only numeric arrays are admitted"
            ) from None


class _Digesting:
    """A file to write to that knows the sha256 of what went through it: nobody has to read it again for that."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Write and digest."""
        self._digest.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        """Bytes written so far; joblib aligns arrays by it."""
        return self._file.tell()

    def hexdigest(self) -> str:
        """The sha256 of everything written."""
        return self._digest.hexdigest()


def write_model(folder: Path, arrays: Arrays) -> Path:
    """Write a new file in the folder, whole or not at all, named by its sha256; the same arrays give the same bytes.

    It is not forced to the disk: after a power failure `read_model` refuses what did not get there. Raises
    StorageFull, and ConfigurationError where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        forget_partial_files(folder)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=PARTIAL, suffix=".joblib", delete=False) as file:
            try:
                digesting = _Digesting(file)
                joblib.dump({name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}, digesting)
                file.close()
                return Path(file.name).replace(folder / f"{digesting.hexdigest()}.joblib")
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_keep(folder, error) from error


def read_model(path: Path, sha256: str) -> dict[str, NDArray[Any]]:
    """The arrays of a file with that digest, mapped into memory read-only, so that processes share one copy.

    The very file that was digested is the one that is read, whatever happens to its name meanwhile. Raises
    ArtefactRefused for a file that is missing, changed, cut short or malicious.
    """
    try:
        with path.open("rb") as file:
            if _digest(file) != sha256:
                raise ArtefactRefused(f"{path} does not have the sha256 {sha256[:12]}… that the registry names")
            file.seek(0)
            return _arrays_in(file)
    except OSError as error:
        raise ArtefactRefused(f"{path} cannot be read: {error.strerror}") from error


def _arrays_in(file: BufferedReader) -> dict[str, NDArray[Any]]:
    unpickler = _ArraysOnlyUnpickler(f"/dev/fd/{file.fileno()}", file, False, mmap_mode="r")
    try:
        loaded = unpickler.load()
    except ArtefactRefused:
        raise
    except Exception as error:  # whatever a hostile stream provokes
        raise ArtefactRefused(f"the model file is damaged: {type(error).__name__}") from error
    if not isinstance(loaded, dict) or not all(isinstance(array, np.ndarray) for array in loaded.values()):
        raise ArtefactRefused("the model file holds something else than a dictionary of arrays")
    return loaded


def _digest(file: BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()
