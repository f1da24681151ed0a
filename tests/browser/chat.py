"""The chat of one window, as the person before it sees and uses it."""

from playwright.async_api import Locator, expect

from tests.browser.window import Window


class ChatBox:
    """The chat in a window."""

    def __init__(self, window: Window) -> None:
        page = window.page
        self.page = page
        self.panel = page.get_by_test_id("chat")
        self.field = page.get_by_test_id("chat-input")
        self.messages = page.get_by_test_id("messages").locator(".message")
        self.bodies = self.messages.locator(".message-body")
        self.toggle = page.get_by_test_id("chat-toggle")
        self.why = page.get_by_test_id("chat-why")

    async def say(self, text: str) -> None:
        """Write a message and send it."""
        await self.field.fill(text)
        await self.field.press("Enter")
        await expect(self.field).to_have_value("")

    async def shows(self, *texts: str) -> None:
        """Return when exactly these messages are there, in this order."""
        await expect(self.bodies).to_have_text(texts)

    async def is_settled(self) -> None:
        """Return when nothing waits to be saved."""
        await expect(self.messages.and_(self.page.locator("[data-state]"))).to_have_count(0)

    def message(self, text: str) -> Locator:
        """The message with these words."""
        return self.messages.filter(has_text=text)

    async def do(self, text: str, action: str) -> None:
        """Choose one of the things that can be done with a message."""
        message = self.message(text)
        await message.hover()
        await message.get_by_role("button", name=action).click()
