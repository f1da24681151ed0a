"""One window with the page in it, as the person before it sees and uses it."""

import asyncio
import re
from collections.abc import Sequence

from playwright.async_api import ConsoleMessage, Dialog, Page, Response, expect

from tests.support.waiting import eventually

TIMEOUT = 15_000  # milliseconds; far less than the 30 s after which silent presence expires
UNREACHABLE = re.compile(r"WebSocket connection to '\S+' failed: ")  # the browser's own words

expect.set_options(timeout=TIMEOUT)


class Window:
    """A page; `complaints` are what it wrote to the console, refused by its policy or threw.

    server_gone: while it is set, the browser's complaints that no server is there are none.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.responses: list[Response] = []
        self.server_gone = False
        self.status = page.get_by_test_id("status")
        self.saved = page.get_by_test_id("saved")
        self.people = page.get_by_test_id("people").locator(".person-name")
        self.name_input = page.get_by_test_id("name-input")
        self.note = page.get_by_role("alert")
        self.content = page.get_by_test_id("editor").get_by_role("textbox")
        self.lines = self.content.locator(".cm-line")
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("response", lambda response: self.responses.append(response))

    def _on_console(self, message: ConsoleMessage) -> None:
        if not (self.server_gone and UNREACHABLE.match(message.text)):
            self.complaints.append(f"{message.type}: {message.text}")

    async def open(self, url: str, name: str, state: str) -> None:
        """Load the page, introduce oneself and wait for a state."""
        await self.page.goto(url)
        if name:
            await self.name_input.fill(name)
        await self.sees_state(state)

    async def close(self) -> None:
        """Close the window as its user would."""
        await self.page.close(run_before_unload=True)

    def accept_leaving(self) -> None:
        """Leave all the same when the page asks, from now on."""
        self.page.on("dialog", lambda dialog: dialog.accept())

    async def may_not_close_unasked(self) -> None:
        """With edits that nobody else has, closing asks first; "stay" stays."""
        asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def stay(dialog: Dialog) -> None:
            asked.set_result(dialog.type)
            await dialog.dismiss()

        self.page.once("dialog", stay)
        await self.close()
        async with asyncio.timeout(TIMEOUT / 1000):
            assert await asked == "beforeunload"

    async def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(await self.page.evaluate(width))

    async def sees_state(self, state: str) -> None:
        """Return when the page shows that state of its connection."""
        await expect(self.status).to_have_attribute("data-state", state)

    async def sees_people(self, *names: str) -> None:
        """Return when exactly these are listed, oneself first."""
        await expect(self.people).to_have_text(names)

    async def sees_caret(self, name: str, *, line: int | None = None) -> None:
        """Return when that person's caret is in the text, or in one line of it (from 0)."""
        place = self.content if line is None else self.lines.nth(line)
        await expect(place.locator(_caret(name))).to_have_count(1)

    async def click_caret(self, name: str) -> None:
        """Point at that person's caret, which shows the name, and click there."""
        caret = self.content.locator(_caret(name))
        await caret.click()
        await expect(caret).to_have_css("animation-name", "none", pseudo="after")

    async def sees_no_caret(self) -> None:
        """Return when no other person's caret is in the text."""
        await expect(self.content.locator(".other-caret")).to_have_count(0)

    async def text(self) -> str:
        """The text in the editor."""
        return "\n".join(await self.lines.all_text_contents())

    async def sees_text(self, *parts: str) -> str:
        """The text, when it holds all parts."""

        async def found() -> str:
            text = await self.text()
            return text if all(part in text for part in parts) else ""

        return await eventually(found, TIMEOUT / 1000, f"{parts} in the editor")

    async def write(self, text: str, *, pause: float = 0.0) -> None:
        """Type at the end of the text, `pause` seconds between keys."""
        await self.go_to("Control+End")
        await self.page.keyboard.type(text, delay=1000 * pause)

    async def go_to(self, *keys: str) -> None:
        """Press keys in the editor."""
        await self.content.focus()
        for key in keys:
            await self.page.keyboard.press(key)


def _caret(name: str) -> str:
    return f'.other-caret[data-name="{name}"]'


async def converged(windows: Sequence[Window]) -> str:
    """The text that all windows show, when it is the same in all."""

    async def same() -> str:
        texts = {await window.text() for window in windows}
        return texts.pop() if len(texts) == 1 else ""

    return await eventually(same, TIMEOUT / 1000, "the same text in all windows")
