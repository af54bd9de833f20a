"""Description and service agree: schemathesis sends what the description allows, and what it forbids."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import schemathesis
from schemathesis import Case, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.openapi.checks import RejectedPositiveData

from tests.e2e.conftest import Service
from web.openapi import openapi_document
from web.openapi_examples import DEMO_USER

NEWCOMERS, WALKS_AT_MOST = 100, 5
_IMITATE = """
insert into user_interaction (id, user_id, post_id, interaction_type)
select gen_random_uuid(), newcomer::uuid, post_id, interaction_type
from unnest($2::text[]) as newcomer, (select * from user_interaction where user_id = $1 limit 5) as done
"""
CONFIG = {
    "continue-on-failure": True,
    "generation": {"deterministic": True, "max-examples": 50, "database": "none"},
    "checks": {
        # No schema can say how long a body is: one that breaks a rule may be refused for its size already (413), and
        # so may one that breaks none; so may one with the cursor of a feed that has been renewed (410).
        "negative_data_rejection": {"expected-statuses": ["400", "404", "405", "413", "415"]},
        # And no schema knows which sequence has been given last (422).
        "positive_data_acceptance": {"expected-statuses": ["2xx", "304", "404", "410", "413", "422"]},
    },
}
ALONG_THE_LINKS = {
    **CONFIG,
    "generation": {"max-examples": 100, "database": "none", "mode": "positive"},
    "phases": {name: {"enabled": False} for name in ("examples", "coverage", "fuzzing")},
}
LINKS = {
    "POST /recommendations/generate -> [202] job -> GET /recommendations/jobs/{ticket}",
    "GET /recommendations/jobs/{ticket} -> [200] again -> GET /recommendations/jobs/{ticket}",
    "GET /recommendations/jobs/{ticket} -> [200] nextPage -> POST /recommendations/generate",
    "POST /recommendations/generate -> [200] nextPage -> POST /recommendations/generate",
    "POST /recommendations/generate -> [200] storedFeed -> GET /recommendations/{user_id}",
    "GET /recommendations/{user_id} -> [200] nextPage -> GET /recommendations/{user_id}",
}


def test_the_service_shows_the_description_of_the_code(api: httpx.Client) -> None:
    assert api.get("/openapi.json").json() == json.loads(json.dumps(openapi_document()))


def test_every_answer_is_as_described_whatever_is_sent(service: Service) -> None:
    found = run(openapi_document(), CONFIG, service, Found())

    assert not found.failures, "\n\n".join(found.failures)
    assert {operation for operation, _ in found.answers} == {f"{method} {path}" for method, path in operations()}


def test_the_links_lead_from_a_202_to_the_ticket_and_from_page_to_page(service: Service) -> None:
    document, found = of_callers_who_take_tickets(openapi_document(), newcomers(service)), Found()

    # Which link can be followed depends on what the worker has done by then: what one walk misses the next one meets.
    for seed in range(WALKS_AT_MOST):
        found = run(document, {**ALONG_THE_LINKS, "seed": seed}, service, found)
        if found.followed >= LINKS:
            break

    assert not found.failures, "\n\n".join(found.failures)
    assert found.followed >= LINKS


@dataclass
class Found:
    """What schemathesis has seen: failures in words, answers by operation and status, links followed to a success."""

    failures: dict[str, None] = field(default_factory=dict)
    answers: set[tuple[str, int]] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)

    def add(self, recorder: ScenarioRecorder) -> None:
        self.failures |= dict.fromkeys(failures_in(recorder))
        for case_id, node in recorder.cases.items():
            interaction = recorder.interactions.get(case_id)
            if interaction is None or interaction.response is None:
                continue
            status = interaction.response.status_code
            self.answers.add((node.value.operation.label, status))
            if node.transition is not None and node.is_transition_applied:
                self.followed |= {node.transition.id} if status < 400 else set()


def run(document: dict[str, Any], config: dict[str, Any], service: Service, found: Found) -> Found:
    """Send all that schemathesis thinks of, with all its checks, and add to what was found."""
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(config))
    schema.config.update(base_url=service.url)
    schema.hook("filter_failure")(is_failure)
    for event in from_schema(schema).execute():
        assert not isinstance(event, events.FatalError | events.NonFatalError | events.SchemaAnalysisWarnings), event
        if isinstance(event, events.ScenarioFinished):
            found.add(event.recorder)
    return found


def operations() -> Iterator[tuple[str, str]]:
    for path, methods in openapi_document()["paths"].items():
        for method in methods:
            yield method.upper(), path


def of_callers_who_take_tickets(document: dict[str, Any], users: list[str]) -> dict[str, Any]:
    """The description, narrowed: whoever is made up by chance is a stranger, for whom no job is ever made."""
    parts = document["components"]
    body = parts["schemas"]["GenerateBody"]
    del body["oneOf"], body["properties"]["recent_post_ids"], body["properties"]["min_seq"]
    body["required"] = ["user_id"]
    body["properties"]["user_id"] = {"enum": [*users, DEMO_USER]}
    parts["parameters"]["Prefer"] |= {"required": True, "schema": {"enum": ["respond-async"]}}
    parts["parameters"]["PreferWait"] |= {"required": True, "schema": {"enum": ["wait=5"]}}
    paths = {path: methods for path, methods in document["paths"].items() if path.startswith("/recommendations")}
    for methods in paths.values():
        del methods["head"]
    del paths["/recommendations/generate"]["get"]
    return {**document, "paths": paths}


def is_failure(context: Any, failure: Failure, case: Case, response: Response) -> bool:
    """What remains when the rules that no schema can hold are taken into account."""
    return (
        is_no_cursor_made_up_by_chance(context, failure, case, response)
        and is_no_moment_beyond_the_calendar(failure, response)
        and is_not_about_events(failure, response)
    )


def is_no_moment_beyond_the_calendar(failure: Failure, response: Response) -> bool:
    """To a schema the first and the last hours of all time are moments too, and so are seconds that leap."""
    told = response.json() if response.status_code == 400 else {}
    pointers = [error.get("pointer") for error in told.get("errors", [])]
    return not (isinstance(failure, RejectedPositiveData) and pointers == ["/expires_at"])


def is_not_about_events(failure: Failure, response: Response) -> bool:
    """To a schema every text is a time, none too long ago, and no id is taken; of many events the good are recorded."""
    told = response.json() if response.status_code in {202, 400, 409} else {}
    if isinstance(failure, RejectedPositiveData):
        impossible = "a time like", "1970", "a day ahead", "another interaction"
        return not any(word in error["detail"] for error in told.get("errors", []) for word in impossible)
    return not (isinstance(failure, AcceptedNegativeData) and told.get("refused"))


def is_no_cursor_made_up_by_chance(_: Any, failure: Failure, case: Case, response: Response) -> bool:
    """No schema can say that a cursor must have been given to this very user: one made up is refused, rightly."""
    has_cursor = any("cursor" in part for part in (case.query, case.body) if isinstance(part, dict))
    return not (isinstance(failure, RejectedPositiveData) and response.status_code == 400 and has_cursor)


def failures_in(recorder: ScenarioRecorder) -> Iterator[str]:
    for checks in recorder.checks.values():
        for check in checks:
            if check.status is Status.FAILURE and check.failure_info is not None:
                yield f"{recorder.label}: {check.failure_info.failure}\n{check.failure_info.code_sample[:2000]}"


def newcomers(service: Service) -> list[str]:
    """Users without a feed, who have just done what the demo user did."""
    users = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"newcomer {number}")) for number in range(NEWCOMERS)]

    async def copy() -> None:
        connection: Any = await asyncpg.connect(service.status()["database_url"])
        await connection.execute(_IMITATE, DEMO_USER, users)
        await connection.close()

    asyncio.run(copy())
    return users
