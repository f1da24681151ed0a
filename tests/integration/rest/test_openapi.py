"""The API's description: it says all that a program needs, and the server keeps to it."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.domain.roles import Role
from server.http.api.examples import BODIES
from tests.support.api import Api
from tests.support.server import LyceumServer

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
SETTINGS = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
async def description(server: LyceumServer) -> Any:
    """What /api/openapi.json says."""
    status, text = await server.get("/api/openapi.json")
    assert status == 200
    return json.loads(text)


def operations(description: Any) -> Iterator[tuple[str, str, Any]]:
    """Method, path and description of every route."""
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


async def test_every_route_is_described(description: Any) -> None:
    """With an id, words for people, what it may answer and examples of what to send."""
    ids = [operation["operationId"] for _, _, operation in operations(description)]
    assert len(ids) == len(set(ids))
    for method, _, operation in operations(description):
        assert operation["summary"]
        assert operation["description"]
        assert len(operation["tags"]) == 1
        statuses = set(operation["responses"])
        assert {"400", "401", "403", "404", "410", "503"} <= statuses
        assert len([status for status in statuses if status < "300"]) == 1
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (operation["operationId"], parameter)
        if "requestBody" in operation:
            assert {"413", "415"} <= statuses
            for content in operation["requestBody"]["content"].values():
                assert "example" in content, operation["operationId"]
        if method == "get":
            assert "requestBody" not in operation
    assert set(BODIES) <= set(ids)


async def test_everything_that_is_named_is_there(description: Any) -> None:
    """References lead somewhere, problems say what they are, and tokens are asked for."""
    components = description["components"]

    def check(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                _, _, kind, name = node["$ref"].split("/")
                assert name in components[kind]
            for part in node.values():
                check(part)
        elif isinstance(node, list):
            for part in node:
                check(part)

    check(description)
    assert components["securitySchemes"]["token"]["scheme"] == "bearer"
    assert {name for name in components["schemas"] if not name.isalpha()} == set()
    for response in components["responses"].values():
        (content,) = response["content"]
        assert content == "application/problem+json"
    types = [problem["type"] for problem in description["x-problems"]]
    assert len(types) == len(set(types))
    assert {"/api/docs#version-mismatch", "/api/docs#too-fast", "/api/docs#closed"} <= set(types)


async def test_the_server_keeps_to_it(server: LyceumServer, tmp_path: Path) -> None:
    """Schemathesis sends what the description allows and what it does not, within bounds."""
    teacher = Api(server, {"*": Role.TEACHER}, "schemathesis")
    process = await asyncio.create_subprocess_exec(
        *(SCHEMATHESIS, "--config-file", SETTINGS, "run", f"{server.http}/api/openapi.json"),
        *("--header", f"Authorization: Bearer {teacher.token}", "--no-color"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "3", "--seed", "1"),
        *("--continue-on-failure", "--generation-database", "none"),
        *("--exclude-operation-id", "delete_session", "--exclude-tag", "Webhooks"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    for event in ("request failed", "request does not fit the database"):
        assert server.logs(event) == []
