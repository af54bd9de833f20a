import json
import re
from collections.abc import Iterator
from typing import Any

from core.settings import Settings
from web.app import create_app
from web.openapi import openapi_document
from web.requests import GenerateBody, body_request, read_body
from web.wiring import open_use_cases

DOCUMENT = openapi_document()
# Parts of the page at /docs, and a user who happens to be called like a path: nothing of their own to describe.
NOT_DESCRIBED = {
    ("GET", "/docs/assets/start.js"),
    ("GET", "/docs/assets/{name}"),
    ("GET", "/recommendations/generate"),
}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_route_is_described_and_nothing_else() -> None:
    app = create_app(Settings(), open_use_cases)
    served = {
        (method, re.sub(r"<(\w+):\w+>", r"{\1}", f"/{route.path}"))
        for route in app.router.routes
        for method in route.methods - {"HEAD"}
    }

    assert served - NOT_DESCRIBED == {(method, path) for method, path, _ in operations()}


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
    general = {"responses/Problem405", "responses/Problem408", "responses/Problem417", "responses/Problem499"}

    prepared = {f"{kind}/{name}" for kind, parts in DOCUMENT["components"].items() for name in parts}
    assert prepared - used <= general | {"headers/Allow"}


def test_every_operation_can_be_called_by_name_and_says_what_may_go_wrong() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]

    assert len(set(names)) == len(names)
    assert all("500" in operation["responses"] for _, _, operation in operations())


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
    example = content["application/json"]["example"]

    body = read_body("application/json", json.dumps(example).encode())

    assert isinstance(body, GenerateBody)
    assert body_request(body, 50).limit == 50


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
