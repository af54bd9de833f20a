"""Which store the settings name."""

from pathlib import Path

from core.application.ports.artefact_store import ArtefactStore
from core.infrastructure.fsspec_artefact_store import FsspecArtefactStore
from core.infrastructure.postgres_artefact_store import PostgresArtefactStore
from core.infrastructure.postgres_pool import Pool


def artefact_store(pool: Pool, url: str, cache_dir: Path) -> ArtefactStore:
    """The one at the URL, or where there is none, Postgres. Raises ConfigurationError for a URL that cannot be used."""
    return FsspecArtefactStore(url, cache_dir) if url else PostgresArtefactStore(pool, cache_dir)
