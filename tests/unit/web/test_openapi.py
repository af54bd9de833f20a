import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from core.domain.job import JobState
from core.settings import Settings
from web.app import create_app
from web.errors import FAULT, KINDS
from web.openapi import openapi_document
from web.requests import GenerateBody, body_request, read_body
from web.wiring import open_use_cases

DOCUMENT = openapi_document()
# Parts of the page at /docs: nothing of their own to describe.
ASSETS = "/docs/assets/"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_route_is_described_and_nothing_else() -> None:
    app = create_app(Settings(), open_use_cases)
    served = {
        (method, re.sub(r"<(\w+):\w+>", r"{\1}", f"/{route.path}"))
        for route in app.router.routes
        for method in route.methods
        if not f"/{route.path}".startswith(ASSETS)
    }

    assert served == {(method, path) for method, path, _ in operations()}


def test_every_reference_leads_somewhere() -> None:
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)))

    assert len(references) > 20
    for reference in references:
        place: Any = DOCUMENT
        for name in reference.split("/"):
            place = place[name]


def test_everything_that_is_prepared_is_used() -> None:
    text = json.dumps(DOCUMENT["paths"]) + json.dumps(DOCUMENT["components"])
    used = set(re.findall(r"#/components/(\w+/[\w-]+)", text))

    prepared = {f"{kind}/{name}" for kind, parts in DOCUMENT["components"].items() for name in parts}
    assert prepared == used


def test_every_operation_can_be_called_by_name_and_says_what_may_go_wrong() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]

    assert len(set(names)) == len(names)
    for _, _, operation in operations():
        assert {"400", "405", "408", "413", "417", "500", "503"} <= set(operation["responses"])


def test_parameters_in_paths_are_described() -> None:
    parameters = DOCUMENT["components"]["parameters"]
    for _, path, operation in operations():
        named = {
            parameters[reference["$ref"].rpartition("/")[2]]["name"]
            for reference in operation.get("parameters", [])
            if parameters[reference["$ref"].rpartition("/")[2]]["in"] == "path"
        }
        assert named == set(re.findall(r"{(\w+)}", path))


def test_the_example_of_a_request_is_a_request() -> None:
    content = DOCUMENT["paths"]["/recommendations/generate"]["post"]["requestBody"]["content"]
    example = content["application/json"]["examples"]["demo"]["value"]

    body = read_body("application/json", json.dumps(example).encode())

    assert isinstance(body, GenerateBody)
    assert body_request(body, 50).limit == 50


def examples(place: Any, schema: Any = None) -> Iterator[tuple[Any, Any]]:
    """Every example anywhere in the description, with the schema that stands beside it."""
    if isinstance(place, dict):
        if "schema" in place:
            yield from ((place["schema"], example["value"]) for example in place.get("examples", {}).values())
            yield from ((place["schema"], place[name]) for name in ("example",) if name in place)
        for part in place.values():
            yield from examples(part)
    elif isinstance(place, list):
        for part in place:
            yield from examples(part)


def test_every_example_is_what_its_schema_says() -> None:
    described = list(examples(DOCUMENT))

    assert len(described) > 30
    for schema, example in described:
        whole = {**schema, "components": DOCUMENT["components"]}
        jsonschema_rs.validator_for(whole, validate_formats=True).validate(example)


def test_every_kind_of_problem_is_an_example_of_its_status_and_one_of_the_types_it_may_have() -> None:
    kinds = {kind for kind in (*KINDS.values(), FAULT) if kind.status != 499}

    for kind in kinds:
        content = DOCUMENT["components"]["responses"][f"Problem{kind.status}"]["content"]["application/problem+json"]
        types = DOCUMENT["components"]["schemas"][f"Problem{kind.status}"]["properties"]["type"]["enum"]
        assert kind.name in content["examples"]
        assert sorted(types) == sorted({other.type for other in kinds if other.status == kind.status})


def test_every_state_of_a_job_has_an_example() -> None:
    content = DOCUMENT["paths"]["/recommendations/jobs/{ticket}"]["get"]["responses"]["200"]["content"]

    assert set(content["application/json"]["examples"]) == {state.value for state in JobState}


def test_links_lead_to_operations_and_name_parameters_that_they_have() -> None:
    by_name = {operation["operationId"]: operation for _, _, operation in operations()}
    links = [
        link
        for operation in by_name.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]

    assert len(links) >= 6
    for link in links:
        target = by_name[link["operationId"]]
        parameters = [resolved(parameter) for parameter in target["parameters"]]
        known = {f"{parameter['in']}.{parameter['name']}" for parameter in parameters}
        assert set(link.get("parameters", {})) <= known
        assert ("requestBody" in link) <= ("requestBody" in target)


def resolved(reference: dict[str, str]) -> Any:
    _, _, kind, name = reference["$ref"].split("/")
    return DOCUMENT["components"][kind][name]


def test_a_headers_only_answer_has_no_body() -> None:
    for method, _, operation in operations():
        for response in operation["responses"].values():
            assert method != "HEAD" or set(response) == {"description", "headers"}


def test_the_limits_are_those_that_are_checked() -> None:
    properties = DOCUMENT["components"]["schemas"]["GenerateBody"]["properties"]

    assert (properties["limit"]["minimum"], properties["limit"]["maximum"]) == (1, 100)
    assert (properties["user_id"]["minLength"], properties["user_id"]["maxLength"]) == (1, 128)
    assert properties["exclude_post_ids"]["maxItems"] == 1000
    assert DOCUMENT["components"]["schemas"]["GenerateBody"]["additionalProperties"] is False


def test_the_name_the_version_and_the_default_limit_are_the_settings() -> None:
    document = openapi_document("my-service", "3.2.1", default_limit=20)

    assert (document["info"]["title"], document["info"]["version"]) == ("my-service", "3.2.1")
    assert document["components"]["schemas"]["GenerateBody"]["properties"]["limit"]["default"] == 20
    assert document["components"]["parameters"]["Limit"]["schema"]["default"] == 20
