"""What the environment may change, and how a mistake is told."""

from pathlib import Path

import pytest

from core.domain.errors import ConfigurationError
from core.settings import load_settings


def test_sources_override_one_another_from_data_dir_to_flag(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("LOG_LEVEL=ERROR\nAPI_PORT=2\nAPP_NAME=from-file\n")

    settings = load_settings(
        {"API_PORT": "3", "APP_NAME": "from-environment"},
        env_file=env_file,
        data_directory={"LOG_LEVEL": "DEBUG", "DATABASE_URL": "postgresql://data-dir"},
        flags={"API_PORT": "4"},
    )

    assert settings.api_port == 4
    assert settings.app_name == "from-environment"
    assert settings.log_level == "ERROR"
    assert settings.database_url == "postgresql://data-dir"


def test_an_empty_variable_means_the_default() -> None:
    assert load_settings({"API_PORT": "", "PORT": ""}, env_file=None).listen_port == 8000


def test_port_as_platforms_hand_it_out_comes_before_api_port() -> None:
    assert load_settings({"API_PORT": "8000", "PORT": "5123"}, env_file=None).listen_port == 5123


@pytest.mark.parametrize(
    ("redis_url", "expected"),
    [
        ("redis://localhost:6379", "redis://localhost:6379/1"),
        ("redis://localhost:6379/4", "redis://localhost:6379/5"),
        ("rediss://:pass@host:6380/0?ssl_cert_reqs=none", "rediss://:pass@host:6380/1?ssl_cert_reqs=none"),
    ],
)
def test_the_queue_lives_in_the_database_after_the_caches(redis_url: str, expected: str) -> None:
    assert load_settings({"REDIS_URL": redis_url}, env_file=None).effective_broker_url == expected


def test_a_broker_url_of_its_own_is_taken_as_it_is() -> None:
    settings = load_settings({"REDIS_URL": "redis://a/0", "BROKER_URL": "redis://b/0"}, env_file=None)

    assert settings.effective_broker_url == "redis://b/0"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RECOMMENDATION_BATCH_SIZE", "0"),
        ("RECOMMENDATION_MIN_SCORE", "1.5"),
        ("RECOMMENDATION_MAX_AGE_HOURS", "soon"),
        ("COLD_START_STRATEGY", "random"),
        ("MODEL_VERSION", "latest"),
        ("MODEL_PIN", "latest"),
        ("LOG_LEVEL", "loud"),
        ("PORT", "70000"),
        ("DEBUG", "perhaps"),
        ("RECOMMENDATION_MAX_AGE_HOURS", "inf"),
        ("TICKET_TTL_SECONDS", "99999999999999"),
        ("WEIGHT_VIEW", "nan"),
        ("MODEL_VERSION", "v99999999999"),
        ("POPULAR_WINDOW_DAYS", "99999999999"),
    ],
)
def test_a_wrong_value_is_told_in_one_line_that_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}='{value}' is wrong: [^\n]*$"):
        load_settings({name: value}, env_file=None)


def test_where_there_is_a_choice_the_line_says_what_would_be_right() -> None:
    with pytest.raises(ConfigurationError, match=r"expected popular or empty$"):
        load_settings({"COLD_START_STRATEGY": "random"}, env_file=None)


def test_parameters_of_the_algorithm_are_taken_apart() -> None:
    settings = load_settings({"ALGORITHM_PARAMETERS": "k=100, vote_half_life=18"}, env_file=None)

    assert settings.parameters_by_name == {"k": "100", "vote_half_life": "18"}


def test_parameters_that_are_none_are_refused_by_the_variables_name() -> None:
    with pytest.raises(ConfigurationError, match=r"^ALGORITHM_PARAMETERS: 'k' is wrong: name=value is expected"):
        _ = load_settings({"ALGORITHM_PARAMETERS": "k 100"}, env_file=None).parameters_by_name
