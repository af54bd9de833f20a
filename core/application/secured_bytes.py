"""A model's bytes, made sure of before it serves."""

from core.application.ports.artefact_store import ArtefactStore
from core.domain.errors import ArtefactRefused
from core.domain.model import ModelRecord


async def secure_bytes(artefacts: ArtefactStore, record: ModelRecord) -> None:
    """Read them, and store them again where only this machine still has them. Raises ArtefactRefused."""
    try:
        await artefacts.put(await artefacts.fetch(record.sha256))
    except ArtefactRefused as error:
        raise ArtefactRefused(f"{record.version} cannot serve: {error}") from error
