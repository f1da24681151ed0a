"""The page about the API, as somebody reads it and tries things out."""

from collections.abc import Callable

from playwright.async_api import Browser, expect

from server.domain.roles import Role
from tests.support.api import SECRET, Api
from tests.support.server import LyceumServer


async def test_the_api_is_tried_out(
    browser: Browser, make_server: Callable[..., LyceumServer]
) -> None:
    """With a token, under the page's policy, and with nothing from elsewhere; a problem's type
    leads to what it means."""
    server = make_server(auth_secret=SECRET)
    await server.start()
    teacher = Api(server, {"*": Role.TEACHER})
    await teacher.make("lesson-1", title="Seen on the page")
    refused = await teacher("POST", "/sessions", {"name": "lesson-1"})
    context = await browser.new_context()
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    await page.goto(server.http + refused.body["type"])
    await expect(page.locator("#conflict")).to_be_in_viewport()
    await expect(page.locator("#conflict")).to_have_text("409 Conflict")
    await page.get_by_role("button", name="Authorize").click()
    await page.get_by_label("auth-bearer-value").fill(teacher.token)
    await page.get_by_role("button", name="Apply credentials").click()
    await page.get_by_role("button", name="Close").last.click()
    route = page.locator("#operations-Sessions-read_session")
    await route.get_by_role("button").first.click()
    await route.get_by_role("button", name="Try it out").click()
    await expect(route.get_by_placeholder("name")).to_have_value("lesson-1")
    await route.get_by_role("button", name="Execute").click()
    answer = route.locator(".live-responses-table")
    await expect(answer).to_contain_text("Seen on the page")
    await expect(answer).to_contain_text("etag")
    await context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith((f"{server.http}/", "data:"))] == []
