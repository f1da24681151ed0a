"""What people see of the session around the text: roles, closing, places, and what is saved."""

import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import ViewportSize, expect

from server.domain.roles import Role
from tests.browser.chat import ChatBox
from tests.browser.conftest import OpenWindow
from tests.browser.teacher import SETTINGS, Teacher
from tests.chaos.victims import Victim
from tests.support.server import LyceumServer

PHONE = ViewportSize(width=390, height=844)
MIB = 2**20


@pytest_asyncio.fixture(scope="module")
async def server(tmp_path_factory: Any) -> AsyncIterator[LyceumServer]:
    """A server that knows tokens, and has little room for a document."""
    environ = SETTINGS | {"LYCEUM_LIMIT_DOCUMENT_BYTES": "2000"}
    async with LyceumServer(tmp_path_factory.mktemp("session"), environ) as server:
        yield server


async def test_a_role_changes_while_one_looks(
    server: LyceumServer, open_window: OpenWindow
) -> None:
    """Writing and chatting open and close within a second, with the reason and no reload."""
    lesson = Teacher(server, "roles")
    await lesson.create(title="Lesson one")
    window = await open_window(lesson.link("ada", name="Ada"))
    box = ChatBox(window)
    self_word = window.page.get_by_test_id("self")
    await expect(window.page).to_have_title("Lesson one – Lyceum")
    await expect(self_word).to_have_text("you, editor")
    await window.write("mine")

    started = time.monotonic()
    await lesson.give("ada", Role.VIEWER)
    await window.sees_state("reading")
    assert time.monotonic() - started < 1
    await expect(window.note).to_contain_text("You are a viewer here")
    await expect(window.content).to_have_attribute("aria-readonly", "true")
    await expect(box.why).to_contain_text("you may read the chat, not write in it")
    await expect(box.field).to_be_hidden()
    await lesson.give("ada", Role.COMMENTER)
    await expect(window.note).to_contain_text("You are a commenter here")
    await expect(self_word).to_have_text("you, commenter")
    await box.say("may I?")
    await lesson.give("ada", Role.EDITOR)
    await window.sees_state("live")
    await window.write(" again")
    other = await open_window(lesson.link("grace"))
    assert await other.sees_text("again") == "mine again"


async def test_an_archived_session_says_so(server: LyceumServer, open_window: OpenWindow) -> None:
    """Who is there and who comes later reads the reason, in both places; opening it again shows."""
    lesson = Teacher(server, "archived")
    await lesson.create(starting_code="kept")
    window = await open_window(lesson.link("ada", name="Ada"))
    await ChatBox(window).say("bye")
    await lesson.change(status="ARCHIVED", title="Long ago")
    late = await open_window(lesson.url, state="reading")
    for each in (window, late):
        await each.sees_state("reading")
        await expect(each.note).to_contain_text("This session is archived")
        await expect(ChatBox(each).why).to_contain_text("This session is archived")
        await expect(each.page.get_by_role("banner")).to_contain_text("Long ago")
        assert await each.text() == "kept"
        await ChatBox(each).shows("bye")
    await lesson.change(status="ACTIVE")
    for each in (window, late):
        await each.sees_state("live")
        await expect(each.note).to_be_hidden()


async def test_who_is_removed_reads_why(server: LyceumServer, open_window: OpenWindow) -> None:
    """The server's words are there at once; then the page is refused for good."""
    lesson = Teacher(server, "removed")
    await lesson.create()
    window = await open_window(lesson.link("ada", name="Ada"))
    await lesson.remove("ada")
    await expect(window.note).to_contain_text("You are not let into this session.", timeout=1000)
    await window.sees_state("refused")
    await expect(window.note).to_contain_text("This page is now read-only.")
    await expect(window.content).to_have_attribute("aria-readonly", "true")
    await expect(ChatBox(window).field).to_be_hidden()


async def test_a_full_session_lets_in_who_waits(
    server: LyceumServer, open_window: OpenWindow
) -> None:
    """At the door the page says so; it comes in by itself when somebody leaves."""
    lesson = Teacher(server, "full")
    await lesson.create(capacity=1)
    first = await open_window(lesson.link("ada"))
    second = await open_window(lesson.link("grace"), state="waiting")
    await expect(second.note).to_contain_text("You are waiting at the door")
    await expect(second.people).to_be_hidden()
    await first.close()
    await second.sees_state("live")
    await expect(second.note).to_be_hidden()


async def test_a_full_document_says_so(server: LyceumServer, open_window: OpenWindow) -> None:
    """Who writes past the largest size reads why, and that the last edit was not taken."""
    window = await open_window(Teacher(server, "large").link("ada"))
    await window.content.focus()
    await window.page.keyboard.insert_text("x" * 3000)
    await window.sees_state("reading")
    await expect(window.note).to_contain_text("The document has reached its largest size")
    await expect(window.note).to_contain_text("Your last edits were not taken")
    await expect(window.saved).to_have_text("Not saved")


LANGUAGES = {
    "": "contract A {}",
    "python": "def a(): pass",
    "javascript": "const a = 1",
    "json": '{"a": null}',
    "markdown": "# A title",
    "klingon": "qaStaH nuq",
}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_language_is_highlighted(
    server: LyceumServer, open_window: OpenWindow, language: str
) -> None:
    """In its own way, as soon as its part is loaded; an unknown one is plain text."""
    lesson = Teacher(server, f"language-{language or 'none'}")
    await lesson.create(language=language, starting_code=LANGUAGES[language])
    window = await open_window(lesson.url)
    tokens = window.lines.locator("span[class^=tok-]")
    if language == "klingon":
        await window.sees_text("nuq")
        await expect(tokens).to_have_count(0)
    else:
        await expect(tokens.first).to_be_visible()


async def test_saved_means_saved(tmp_path: Path, open_window: OpenWindow) -> None:
    """While Postgres stands still nothing is called saved, leaving asks first; then all is."""
    async with Victim(tmp_path) as victim:
        window = await open_window(f"{victim.http}/?session=saved")
        await window.write("quickly")
        await expect(window.saved).to_have_text("All changes saved")
        victim.signal_postgres(signal.SIGSTOP)
        try:
            await window.write(" slowly")
            await expect(window.saved).to_have_text("Saving…")
            await expect(window.saved).to_have_text("Not saved yet")
            await expect(window.note).to_contain_text("keep this window open")
            await window.write(" on")
            await expect(window.saved).to_have_text("Not saved yet")
            await window.may_not_close_unasked()
        finally:
            victim.signal_postgres(signal.SIGCONT)
        await expect(window.saved).to_have_text("All changes saved")
        await expect(window.note).to_be_hidden()
        window.server_gone = True
        await victim.kill()
        await victim.start()
        late = await open_window(f"{victim.http}/?session=saved")
        assert await late.sees_text("on") == "quickly slowly on"
        late.server_gone = True


async def test_quick_saving_passes_unseen(server: LyceumServer, open_window: OpenWindow) -> None:
    """The word beside the state does not flicker while somebody types."""
    window = await open_window(f"{server.http}/?session=calm")
    await window.page.evaluate(
        """() => {
          const word = document.querySelector("[data-testid=saved]");
          window.words = new Set([word.textContent]);
          new MutationObserver(() => window.words.add(word.textContent))
            .observe(word, { childList: true, characterData: true, subtree: true });
        }"""
    )
    await window.write("the quick brown fox", pause=0.03)
    await expect(window.saved).to_have_text("All changes saved")
    assert await window.page.evaluate("() => [...window.words]") == ["All changes saved"]


async def test_a_phone_has_room_for_all(server: LyceumServer, open_window: OpenWindow) -> None:
    """Nothing is wider than the screen; the chat comes over the editor and goes again."""
    lesson = Teacher(server, "a-session-with-quite-a-long-name-for-a-phone")
    await lesson.create(title="A lesson whose title is much longer than a phone is wide, by far")
    desk = await open_window(lesson.link("ada", name="Ada"))
    window = await open_window(lesson.link("grace", name="Grace"))
    box = ChatBox(window)
    await window.page.set_viewport_size(PHONE)
    await expect(box.panel).to_be_hidden()
    assert await window.overflow() == 0
    await ChatBox(desk).say("unbroken" * 30)
    await expect(box.toggle).to_have_accessible_name("Chat 1 unread")
    await box.toggle.click()
    await expect(window.content).to_be_hidden()
    assert await window.overflow() == 0
    await box.say("from a phone")
    await box.page.get_by_role("button", name="Close chat").click()
    await expect(window.content).to_be_visible()
    await expect(box.panel).to_be_hidden()


async def test_a_keyboard_reaches_everything(server: LyceumServer, open_window: OpenWindow) -> None:
    """Arrow keys go from message to message, Tab to what can be done; the log is a log."""
    window = await open_window(f"{server.http}/?session=keys", "Ada")
    box = ChatBox(window)
    await box.say("one")
    await box.say("two")
    await box.is_settled()
    await expect(window.page.get_by_role("log", name="Messages")).to_have_attribute(
        "aria-live", "polite"
    )
    await box.field.press("Shift+Tab")
    await window.page.keyboard.press("ArrowUp")
    await expect(box.message("two")).to_be_focused()
    await window.page.keyboard.press("ArrowUp")
    await expect(box.message("one")).to_be_focused()
    await window.page.keyboard.press("Tab")
    await expect(box.message("one").get_by_role("button", name="Reply")).to_be_focused()
    await window.page.keyboard.press("Enter")
    await expect(box.field).to_be_focused()
    await box.say("three")
    await expect(box.message("three")).to_have_class(re.compile("own"))
