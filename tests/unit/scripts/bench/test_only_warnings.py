import pytest
import structlog

from scripts.bench.only_warnings import only_warnings


def test_what_goes_well_is_not_logged_meanwhile_and_afterwards_all_is_as_it_was(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = structlog.get_config()

    with only_warnings():
        structlog.get_logger().info("model_loaded")
        structlog.get_logger().warning("tail_not_read")

    told = capsys.readouterr().out
    assert "tail_not_read" in told
    assert "model_loaded" not in told
    assert structlog.get_config() == before
