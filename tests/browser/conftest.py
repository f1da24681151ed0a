"""Windows of a real Chromium for tests of the page."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from server.http.ops import STATIC
from tests.browser.window import Window

NAMES = ("chromium", "google-chrome", "chromium-browser")
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

OpenWindow = Callable[..., Awaitable[Window]]


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, running."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.fail("Chromium is not installed: apt-get install chromium")
    if not (STATIC / "index.html").exists():
        pytest.fail("the page was not built: run `npm ci && npm run build` in web/")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture
async def open_window(browser: Browser) -> AsyncIterator[OpenWindow]:
    """Opens windows that share nothing; at the end none may have anything on its console."""
    windows: list[Window] = []

    async def open_window(url: str, name: str = "", *, state: str = "live") -> Window:
        context = await browser.new_context()
        window = Window(await context.new_page())
        windows.append(window)
        await window.open(url, name, state)
        return window

    yield open_window
    for window in windows:
        await window.page.context.close()
    assert [line for window in windows for line in window.complaints] == []
