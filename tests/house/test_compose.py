"""`docker compose up` would start what it should, in order; no Docker is needed to see it."""

import json
import shlex
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import fields
from ruamel.yaml import YAML

from core.settings import Settings, load_settings
from scripts.cli import COMMANDS
from tests.house.answering import answering
from tests.house.tree import ROOT, run, run_module

FILE = ROOT / "docker-compose.yml"
REALM_FILE = ROOT / "docs" / "keycloak" / "threads-ml-realm.json"
COMPOSE: dict[str, Any] = YAML(typ="safe").load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
REALM: dict[str, Any] = json.loads(REALM_FILE.read_text())
DEMO_USER = "027baf23-101f-48d2-b7d1-4a23e6cf8e4a"
OURS = ("migrate", "ml-service", "worker", "worker-bulk", "clock")
OF_THE_IMAGES = {
    "postgres": {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"},
    "redis": set(),
    "keycloak": {"KC_BOOTSTRAP_ADMIN_USERNAME", "KC_BOOTSTRAP_ADMIN_PASSWORD", "KC_HEALTH_ENABLED"},
} | dict.fromkeys(OURS, {field.encode_name for field in fields(Settings)} | {"PYTHONUNBUFFERED"})


def validated(file: Path, *schema: str) -> str:
    """What the validator has to say, empty when the file is valid."""
    checked = run_module("check_jsonschema", *schema, str(file))
    return "" if checked.returncode == 0 else checked.stdout


def test_the_compose_file_is_valid() -> None:
    assert validated(FILE, "--builtin-schema", "vendor.compose-spec") == ""


def test_the_realm_is_valid() -> None:
    assert validated(REALM_FILE, "--schemafile", str(ROOT / "tests" / "house" / "keycloak_realm.schema.json")) == ""


def test_a_wrong_realm_is_seen(tmp_path: Path) -> None:
    wrong = tmp_path / "realm.json"
    wrong.write_text(json.dumps(REALM | {"accessTokenLifespan": "300", "client": []}))

    said = validated(wrong, "--schemafile", str(ROOT / "tests" / "house" / "keycloak_realm.schema.json"))

    assert "accessTokenLifespan" in said
    assert "'client' was unexpected" in said


def test_the_services_and_their_ports() -> None:
    assert set(SERVICES) == {"postgres", "redis", "keycloak", *OURS}
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "postgres": ["5433:5432"],
        "keycloak": ["8080:8080"],
        "ml-service": ["8001:8000"],
    }


def test_the_service_has_time_to_start_and_is_not_buffered() -> None:
    service = SERVICES["ml-service"]

    assert service["healthcheck"]["start_period"] == "30s"
    assert service["environment"]["PYTHONUNBUFFERED"] == "1"


@pytest.mark.parametrize("name", ["postgres", "redis", "keycloak", "ml-service"])
def test_every_server_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_migrations_wait_for_the_servers_and_the_processes_for_migrations() -> None:
    healthy, completed = {"condition": "service_healthy"}, {"condition": "service_completed_successfully"}

    assert SERVICES["migrate"]["depends_on"] == {"postgres": healthy, "redis": healthy}
    assert [SERVICES[name]["depends_on"] for name in OURS[1:]] == [{"migrate": completed}] * 4
    assert SERVICES["migrate"]["command"] == ["threads-ml", "migrate"]
    assert "migrate" in COMMANDS


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_means_something(name: str) -> None:
    assert set(SERVICES[name].get("environment", {})) <= OF_THE_IMAGES[name]


@pytest.mark.parametrize("name", OURS)
def test_the_settings_lead_to_the_servers(name: str) -> None:
    settings = load_settings(SERVICES[name]["environment"], env_file=None)
    database, cache, broker = (
        urlsplit(url) for url in (settings.database_url, settings.redis_url, settings.effective_broker_url)
    )
    created = SERVICES["postgres"]["environment"]

    assert (database.hostname, database.port) == ("postgres", 5432)
    assert (database.username, database.password) == (created["POSTGRES_USER"], created["POSTGRES_PASSWORD"])
    assert database.path == f"/{created['POSTGRES_DB']}"
    assert cache.hostname == broker.hostname == "redis"
    assert cache.path != broker.path


def test_the_queue_is_neither_evicted_nor_forgotten() -> None:
    command = " ".join(SERVICES["redis"]["command"])

    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


@pytest.mark.parametrize("name", OURS[1:])
def test_processes_run_the_mounted_code_and_restart_when_it_changes(name: str) -> None:
    service = SERVICES[name]
    words = service["command"]
    [program] = [word for word in words if word.startswith(("python -m ", "threads-ml "))]

    procfile = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    process = {"ml-service": "web"}.get(name, name)
    assert procfile[process].endswith(program)
    assert ("nice" in words) == ("nice" in procfile[process])
    assert ".:/app" in service["volumes"]
    assert "watchfiles" in words
    assert all((ROOT / folder).is_dir() for folder in words[words.index(program) + 1 :])


def test_what_restarts_the_processes_is_installed_in_the_image() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    words = shlex.split(SERVICES["ml-service"]["build"]["args"]["EXTRA_GROUPS"])

    assert words[::2] == ["--group"] * (len(words) // 2)
    assert set(words[1::2]) <= set(groups)
    assert any(requirement.startswith("watchfiles") for name in words[1::2] for requirement in groups[name])
    assert find_spec("watchfiles")


@pytest.mark.parametrize(("status", "is_healthy"), [(200, True), (503, False)])
def test_the_health_check_of_the_service(status: int, is_healthy: bool) -> None:
    kind, program, *arguments = SERVICES["ml-service"]["healthcheck"]["test"]

    with answering(status) as (port, asked):
        checked = run(sys.executable, *(word.replace("8000", str(port)) for word in arguments))

    assert (kind, program) == ("CMD", "python")
    assert (checked.returncode == 0) is is_healthy
    assert asked == ["/health"]


@pytest.mark.parametrize(("status", "is_healthy"), [(200, True), (503, False)])
def test_the_health_check_of_keycloak(status: int, is_healthy: bool) -> None:
    kind, *words = SERVICES["keycloak"]["healthcheck"]["test"]

    with answering(status) as (port, asked):
        checked = run(*(word.replace("9000", str(port)) for word in words))

    assert kind == "CMD"
    assert (checked.returncode == 0) is is_healthy
    assert asked == ["/health/ready"]


def test_keycloak_imports_the_realm() -> None:
    keycloak = SERVICES["keycloak"]
    [mount] = keycloak["volumes"]
    source, target, mode = mount.split(":")

    assert (ROOT / source).resolve() == REALM_FILE
    assert target.startswith("/opt/keycloak/data/import/")
    assert mode == "ro"
    assert keycloak["command"] == ["start-dev", "--import-realm"]


def test_tokens_of_both_clients_name_the_service_as_their_audience() -> None:
    clients = {client["clientId"]: client for client in REALM["clients"]}

    assert {name: client["publicClient"] for name, client in clients.items()} == {
        "threads-ml": False,
        "threads-app": True,
    }
    for client in clients.values():
        [mapper] = client["protocolMappers"]
        assert mapper["config"]["included.client.audience"] == "threads-ml"
        assert mapper["config"]["access.token.claim"] == "true"


def test_the_realms_users_have_roles_that_exist_and_the_demo_user_has_interactions() -> None:
    realm_roles = {role["name"] for role in REALM["roles"]["realm"]}
    client_roles = {client: {role["name"] for role in roles} for client, roles in REALM["roles"]["client"].items()}

    for user in REALM["users"]:
        assert set(user["realmRoles"]) <= realm_roles
        assert all(set(roles) <= client_roles[client] for client, roles in user["clientRoles"].items())
    assert {user["username"]: user.get("id") for user in REALM["users"]}["demo"] == DEMO_USER
