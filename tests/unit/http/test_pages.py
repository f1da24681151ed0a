"""The pages, built or not."""

from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient, Response

from server.http.ops import make_app


class Well:
    """A server that is ready."""

    def reason(self) -> None:
        """Nothing is wrong."""


async def get(static: Path, path: str) -> Response:
    """A page from there."""
    app = make_app(Well(), static)  # type: ignore[arg-type]
    async with AsyncClient(transport=ASGITransport(app), base_url="http://lyceum") as client:
        return await client.get(path)


@pytest.mark.parametrize("path", ["/", "/api/docs"])
async def test_a_page_that_was_not_built(tmp_path: Path, path: str) -> None:
    """Says so, and what can be done instead."""
    answer = await get(tmp_path / "static", path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "was not built" in answer.text
    assert "make run" in answer.text
    assert ("/api/openapi.json" in answer.text) == (path == "/api/docs")


async def test_a_page_that_was_built(tmp_path: Path) -> None:
    """Is served with a policy that lets nothing in from elsewhere, and asked for anew each time."""
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "docs.html").write_text("<title>API</title>")
    answer = await get(tmp_path, "/api/docs")
    assert answer.text == "<title>API</title>"
    assert answer.headers["cache-control"] == "no-cache"
    assert "script-src 'self';" in answer.headers["content-security-policy"]
