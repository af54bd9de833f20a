"""Everything the environment may change, read once by a process's entry point."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args, get_type_hints

import msgspec
from dotenv import dotenv_values
from msgspec import Meta

from core.domain.composition import ColdStartStrategy, Composition
from core.domain.errors import ConfigurationError, InvalidInput
from core.domain.gate import Gate, WhenUnsure
from core.domain.interaction import InteractionWeights
from core.domain.model import version_number
from core.domain.named_values import named_values
from core.domain.thresholds import Thresholds

# The upper bounds are beyond all use: they keep what follows from overflowing.
NonNegative = Annotated[float, Meta(ge=0, le=1_000_000)]
Positive = Annotated[float, Meta(gt=0, le=1_000_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
PositiveInt = Annotated[int, Meta(ge=1, le=100_000_000)]
MOST_DAYS = 36_500
Days = Annotated[int, Meta(ge=1, le=MOST_DAYS)]
Port = Annotated[int, Meta(ge=0, le=65535)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """One field per environment variable of the same name in capitals; an empty variable means the default."""

    app_name: str = "threads-ml-service"
    app_version: str = "0.1.0"
    debug: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    database_url: str = ""
    redis_url: str = ""
    broker_url: str = ""
    redis_tls_verify: bool = False
    database_pool_size: PositiveInt = 4
    database_timeout_seconds: Positive = 1.0
    redis_timeout_seconds: Positive = 0.5
    redis_pool_size: PositiveInt = 2

    api_host: str = "0.0.0.0"  # noqa: S104 - a service in a container is reached from outside it
    api_port: Port = 8000
    port: Port | None = None
    proxies_count: Annotated[int, Meta(ge=0)] = 0
    patience_seconds: Annotated[float, Meta(ge=0, le=25)] = 2.0
    waiters_at_most: PositiveInt = 1000
    backlog_at_most: PositiveInt = 10_000
    ticket_ttl_seconds: PositiveInt = 3600

    metrics_host: str = "127.0.0.1"
    metrics_port: Port = 9464

    model_path: Path = Path("models")
    artefact_url: str = ""
    model_version: Annotated[str, Meta(pattern=r"^v[1-9][0-9]{0,8}$")] = "v1"
    model_pin: Annotated[str, Meta(pattern=r"^((collaborative_filtering_)?v[1-9][0-9]{0,8})?$")] = ""
    model_poll_seconds: Positive = 2.0
    tail_at_most: Annotated[int, Meta(ge=0, le=100_000_000)] = 500_000

    recommendation_batch_size: Annotated[int, Meta(ge=1, le=100)] = 50
    recommendation_min_score: Share = 0.1
    recommendation_max_age_hours: Positive = 24.0
    feed_depth: Annotated[int, Meta(ge=1, le=1000)] = 150
    cold_start_strategy: Literal["popular", "empty"] = "popular"
    cold_start_min_interactions: PositiveInt = 5

    weight_view: NonNegative = 0.1
    weight_click: NonNegative = 0.3
    weight_like: NonNegative = 0.7
    weight_share: NonNegative = 1.0
    algorithm: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "user_knn"
    algorithm_parameters: str = ""
    exact_neighbours_up_to_users: Annotated[int, Meta(ge=0, le=10_000_000_000)] = 200_000
    memory_limit_mb: Annotated[int, Meta(ge=0, le=100_000_000)] = 0
    gate_windows: Annotated[int, Meta(ge=1, le=365)] = 7
    gate_margin: Share = 0.05
    gate_least_judged: PositiveInt = 100
    gate_least_share: Share = 0.5
    gate_budget_ms: Positive = 50.0
    gate_when_unsure: Literal["promote", "keep"] = "promote"
    gate_most_interactions: PositiveInt = 2_000_000
    track_runs: bool = True
    mlflow_tracking_uri: str = ""
    mlflow_experiment: str = "threads-ml"
    popular_half_life_hours: Positive = 12.0
    popular_window_days: Days = 30
    popular_refresh_seconds: Positive = 600.0

    interaction_poll_seconds: Positive = 0.5
    interaction_overlap_seconds: NonNegative = 60.0
    visit_recent_seconds: Positive = 600.0
    renewal_pace_seconds: Positive = 3.0
    renew_read_after_seconds: NonNegative = 60.0

    active_days: Days = 30
    worker_processes: PositiveInt = 1
    worker_threads: PositiveInt = 4

    train_cron: str = "0 3 * * *"
    enqueue_cron: str = "0 3,15 * * *"
    purge_cron: str = "30 4 * * *"
    purge_after_days: Days = 7
    models_kept: PositiveInt = 10

    check_oldest_message_seconds: Positive = 60.0
    check_backlog: Annotated[int, Meta(ge=0, le=100_000_000)] = 5000
    check_dead_letters: Annotated[int, Meta(ge=0, le=100_000_000)] = 10
    check_model_age_hours: Positive = 168.0
    check_stale_share: Share = 0.5
    check_popular_age_seconds: Positive = 3600.0

    @property
    def interaction_weights(self) -> InteractionWeights:
        """What each type of interaction counts."""
        return InteractionWeights(self.weight_view, self.weight_click, self.weight_like, self.weight_share)

    @property
    def parameters_by_name(self) -> dict[str, str]:
        """ALGORITHM_PARAMETERS, like `k=100 vote_half_life=18`, taken apart."""
        try:
            return named_values(self.algorithm_parameters.replace(",", " ").split())
        except InvalidInput as error:
            raise ConfigurationError(f"ALGORITHM_PARAMETERS: {error}") from error

    @property
    def composition(self) -> Composition:
        """How a ranking and the popular posts become a feed."""
        return Composition(
            depth=self.feed_depth,
            min_score=self.recommendation_min_score,
            cold_start_threshold=self.cold_start_min_interactions,
            cold_start_strategy=ColdStartStrategy(self.cold_start_strategy),
        )

    @property
    def gate(self) -> Gate:
        """The rules by which a trained model may serve."""
        return Gate(
            margin=self.gate_margin,
            least_judged=self.gate_least_judged,
            least_share=self.gate_least_share,
            budget_ms=self.gate_budget_ms,
            when_unsure=WhenUnsure(self.gate_when_unsure),
        )

    @property
    def thresholds(self) -> Thresholds:
        """Beyond which `status --check` calls for somebody."""
        return Thresholds(
            oldest_message_seconds=self.check_oldest_message_seconds,
            backlog=self.check_backlog,
            dead_letters=self.check_dead_letters,
            model_age_hours=self.check_model_age_hours,
            stale_share=self.check_stale_share,
            popular_age_seconds=self.check_popular_age_seconds,
        )

    @property
    def first_model_number(self) -> int:
        """The number that the first model gets."""
        return version_number(self.model_version)

    @property
    def pinned_model_number(self) -> int | None:
        """The number of the model that serves whatever is promoted, None for the champion's."""
        return version_number(self.model_pin) if self.model_pin else None

    @property
    def listen_port(self) -> int:
        """PORT, as platforms hand it out, comes before API_PORT."""
        return self.api_port if self.port is None else self.port

    @property
    def effective_broker_url(self) -> str:
        """BROKER_URL, or the database after the cache's on the same server."""
        return self.broker_url or _next_database(self.redis_url)


def load_settings(
    environment: Mapping[str, str] | None = None,
    *,
    env_file: Path | None = Path(".env"),
    data_directory: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Settings:
    """Settings by precedence flag, environment, .env, data dir; raises ConfigurationError that names the variable."""
    from_file = dotenv_values(env_file) if env_file is not None and env_file.is_file() else {}
    sources = (data_directory or {}, from_file, os.environ if environment is None else environment, flags or {})
    known = {field.encode_name for field in msgspec.structs.fields(Settings)}
    merged: dict[str, str] = {}
    for source in sources:
        merged.update({name: value for name, value in source.items() if name in known and value})
    try:
        return msgspec.convert(merged, Settings, strict=False, dec_hook=_decode_path)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_one_line(error, merged)) from error


def _decode_path(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)


def _one_line(error: msgspec.ValidationError, merged: Mapping[str, str]) -> str:
    rule, _, path = str(error).partition(" - at `$.")
    name = path.rstrip("`")
    choices = get_args(get_type_hints(Settings)[name.lower()])
    if choices and all(isinstance(choice, str) for choice in choices):
        rule = f"expected {', '.join(choices[:-1])} or {choices[-1]}"
    return f"{name}={merged.get(name, '')!r} is wrong: {rule[0].lower()}{rule[1:]}"


def _next_database(url: str) -> str:
    if not url:
        return ""
    base, question, query = url.partition("?")
    match = re.fullmatch(r"(\w+://[^/]*)(?:/(\d*))?", base)
    if match is None:
        raise ConfigurationError("REDIS_URL is wrong: expected redis://host:port/number; or set BROKER_URL too")
    return f"{match[1]}/{int(match[2] or 0) + 1}{question}{query}"
