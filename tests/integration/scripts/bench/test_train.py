"""The benchmark of training measures what it says, small."""

import asyncio
from pathlib import Path

import pytest

from core.infrastructure.embedded_postgres import EmbeddedPostgres
from core.settings import load_settings
from scripts.bench.train import TrainRates, measure


@pytest.mark.parametrize("memory_limit_mb", [0, 40])
def test_every_phase_is_measured_and_memory_kept_to(
    postgres_server: EmbeddedPostgres, tmp_path: Path, memory_limit_mb: int
) -> None:
    given = {
        "DATABASE_URL": postgres_server.url,
        "MODEL_PATH": str(tmp_path),
        "MEMORY_LIMIT_MB": str(memory_limit_mb),
    }

    rates: TrainRates = asyncio.run(measure(200_000, load_settings(given, env_file=None)))

    training = rates.training
    assert list(training.phases) == ["read", "fit", "write", "verify", "store", "register", "popular", "promote"]
    assert min(rates.copy_seconds, *training.phases.values()) > 0
    assert training.registered_seconds == pytest.approx(sum(list(training.phases.values())[:6]))
    assert (training.users, training.posts) == (4002, 2002)
    assert 0 < training.pairs <= 200_000
    assert 0 < training.peak_bytes < (memory_limit_mb or 50) * 1_000_000
    assert rates.ratio == training.registered_seconds / rates.copy_seconds
    assert rates.bytes_per_interaction == training.peak_bytes / 200_000
