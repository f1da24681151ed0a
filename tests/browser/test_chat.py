"""The chat in a real Chromium: what people say to each other beside the document."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest_asyncio
from playwright.async_api import expect

from server.domain.roles import Role
from tests.browser.chat import ChatBox
from tests.browser.conftest import OpenWindow
from tests.browser.teacher import SETTINGS, Teacher
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

ODD = [
    "hello 👩🏽‍🚀 <script>document.title = 'taken'</script> <img src=x onerror=alert(1)>",
    "Donaudampfschifffahrtsgesellschaft" * 20,
    "שלום לכולם ‮ מימין לשמאל",
    "first line\nsecond line",
]
MakeServer = Callable[..., LyceumServer]


@pytest_asyncio.fixture(scope="module")
async def server(tmp_path_factory: Any) -> AsyncIterator[LyceumServer]:
    """A server that knows tokens, and lets everybody say as much as they can."""
    environ = SETTINGS | {"LYCEUM_LIMIT_CHAT_MESSAGES_PER_SECOND": "0"}
    async with LyceumServer(tmp_path_factory.mktemp("chat"), environ) as server:
        yield server


async def test_two_windows_talk(server: LyceumServer, open_window: OpenWindow) -> None:
    """What one says the other reads, whatever it is made of: text stays text, and fits."""
    url = f"{server.http}/?session=talk"
    windows = [await open_window(url, "Ada"), await open_window(url, "Grace")]
    ada, grace = map(ChatBox, windows)
    await expect(ada.panel).to_contain_text("Nothing has been said yet.")
    for text in ODD:
        await ada.say(text)
    await grace.shows(*ODD)
    await expect(grace.messages.first.locator(".message-name")).to_have_text("Ada")
    await expect(grace.messages.first.locator("time")).to_be_visible()
    await grace.field.fill("a")
    await grace.field.press("Shift+Enter")
    await grace.field.press_sequentially("b")
    await grace.field.press("Enter")
    await ada.shows(*ODD, "a\nb")
    await ada.is_settled()
    await expect(ada.messages.and_(ada.page.locator(".own"))).to_have_count(len(ODD))
    await expect(grace.messages.and_(grace.page.locator(".own"))).to_have_count(1)
    for window in windows:
        assert await window.overflow() == 0
    await grace.do(ODD[0], "Reply")
    for name in ("Send", "Cancel"):
        button = grace.panel.get_by_role("button", name=name)
        await expect(button).to_be_in_viewport(ratio=1)
    assert await grace.messages.first.locator("img, script").count() == 0
    assert await windows[1].page.title() == "talk – Lyceum"


async def test_links_can_be_followed_safely(server: LyceumServer, open_window: OpenWindow) -> None:
    """Only http and https become links, without the sentence's own signs."""
    box = ChatBox(await open_window(f"{server.http}/?session=links"))
    await box.say(
        'see https://example.org/a_(b)?c="d" and (http://example.org/x). javascript:alert(1)'
    )
    links = box.messages.locator("a")
    await expect(links).to_have_text(["https://example.org/a_(b)?c=", "http://example.org/x"])
    for link in await links.all():
        assert "noopener" in str(await link.get_attribute("rel"))
        assert await link.get_attribute("target") == "_blank"


async def test_messages_are_answered_changed_and_deleted(
    server: LyceumServer, open_window: OpenWindow
) -> None:
    """One changes one's own, a teacher deletes anybody's, others can only answer."""
    lesson = Teacher(server, "changes")
    await lesson.create()
    ada = ChatBox(await open_window(lesson.link("ada", name="Ada")))
    grace = ChatBox(await open_window(lesson.link("grace", name="Grace")))
    teacher = ChatBox(await open_window(lesson.link("teacher", Role.TEACHER, "Ms Turing")))
    await ada.say("I think its 3")
    await grace.do("I think", "Reply")
    await expect(grace.panel).to_contain_text("Replying to Ada: I think its 3")
    await grace.say("why?")
    await expect(ada.message("why?").locator(".quote")).to_contain_text("I think its 3")
    await grace.message("I think its 3").first.hover()
    actions = grace.message("I think its 3").first.locator(".message-actions")
    await expect(actions.get_by_role("button")).to_have_text(["Reply"])

    await ada.field.press("ArrowUp")  # in an empty field: what was said last
    await expect(ada.field).to_have_value("I think its 3")
    await ada.field.fill("I think it's 3")
    await ada.field.press("Enter")
    await teacher.shows("I think it's 3", "why?")
    await expect(teacher.messages.first).to_contain_text("edited")

    await teacher.do("why?", "Delete")
    await teacher.do("why?", "Really delete?")
    for box in (ada, grace, teacher):
        await box.shows("I think it's 3", "This message was deleted.")
        await box.is_settled()


async def test_people_are_mentioned(server: LyceumServer, open_window: OpenWindow) -> None:
    """Names are completed after an @; who is meant sees it, and the count while it is closed."""
    lesson = Teacher(server, "mentions")
    await lesson.create()
    ada_window = await open_window(lesson.link("ada", name="Ada Lovelace"))
    ada = ChatBox(ada_window)
    window = await open_window(lesson.link("grace", name="Grace Hopper"))
    grace = ChatBox(window)
    await ada_window.sees_people("Ada Lovelace", "Grace Hopper")
    await grace.toggle.click()
    await expect(grace.panel).to_be_hidden()
    await ada.field.press_sequentially("look @hop")
    await expect(ada.page.get_by_role("option")).to_have_text(["Grace Hopper"])
    await ada.field.press("Enter")
    await ada.field.press_sequentially("here")
    await ada.field.press("Enter")
    await ada.shows("look @Grace Hopper here")
    await ada.say("and there")

    await expect(grace.toggle).to_have_accessible_name("Chat 2 unread")
    await expect(window.page).to_have_title("(2) mentions – Lyceum")
    await grace.toggle.click()
    await expect(grace.toggle).to_have_accessible_name("Chat")
    await expect(window.page).to_have_title("mentions – Lyceum")
    await expect(grace.message("look")).to_have_class(re.compile("for-me"))
    await expect(ada.message("look")).not_to_have_class(re.compile("for-me"))
    await expect(grace.message("there")).not_to_have_class(re.compile("for-me"))


async def test_the_newest_is_in_sight(server: LyceumServer, open_window: OpenWindow) -> None:
    """On coming in and afterwards, also when the people who are there take room from the chat."""
    url = f"{server.http}/?session=newest"
    ada = ChatBox(await open_window(url, "Ada"))
    for number in range(3):
        await ada.say("one\ntwo\nthree\nfour\nfive\nsix\n" + str(number))
    for name in ("Bob", "Cy", "Dee"):
        box = ChatBox(await open_window(url, name))
        await expect(box.messages).to_have_count(3)
        await expect(box.messages.last).to_be_in_viewport(ratio=1)
    await expect(ada.messages.last).to_be_in_viewport(ratio=1)


async def test_history_is_read_on_scrolling(server: LyceumServer, open_window: OpenWindow) -> None:
    """A newcomer gets the newest messages, and older ones by scrolling, each once, in order."""
    url = f"{server.http}/?session=history"
    said = [f"message {number}" for number in range(1, 131)]
    speaker = ChatBox(await open_window(url, "Ada"))
    for text in said:
        await speaker.say(text)
    await speaker.shows(*said)
    await speaker.is_settled()
    late = ChatBox(await open_window(url, "Grace"))
    await expect(late.messages).to_have_count(50)
    await expect(late.messages.last).to_be_in_viewport()

    async def at_the_beginning() -> bool:
        await late.messages.first.scroll_into_view_if_needed()
        return await late.bodies.first.text_content() == said[0]

    await eventually(at_the_beginning, what="the first message")
    await late.shows(*said)
    await speaker.say("one more")
    await late.page.get_by_role("button", name="New messages").click()
    await expect(late.messages.last).to_be_in_viewport()
    await late.shows(*said, "one more")


async def test_what_was_said_offline_arrives_once(
    make_server: MakeServer, open_window: OpenWindow
) -> None:
    """A message outlives the server's kill and the window's reload; nobody misses anything."""
    server = make_server()
    await server.start()
    url = f"{server.http}/?session=offline"
    windows = [await open_window(url, "Ada"), await open_window(url, "Grace")]
    ada, grace = map(ChatBox, windows)
    await ada.say("before")
    await grace.shows("before")
    for window in windows:
        window.server_gone = True
    await server.kill()
    for window in windows:
        await window.sees_state("offline")
    await ada.say("one")
    await ada.say("two")
    await expect(ada.message("one")).to_have_attribute("data-state", "sending")
    await grace.say("three")
    await server.start()
    for window in windows:
        await window.sees_state("live")
    for box in (ada, grace):
        await expect(box.messages).to_have_count(4)
        await box.is_settled()
    assert await ada.bodies.all_text_contents() == await grace.bodies.all_text_contents()

    await server.kill()
    await windows[0].sees_state("offline")
    await ada.say("four")
    windows[0].accept_leaving()
    await server.start()
    await windows[0].page.reload()
    for box in (ada, grace):
        await expect(box.messages).to_have_count(5)
        await expect(box.messages.last).to_contain_text("four")
        await box.is_settled()


async def test_a_refusal_is_shown_beside_its_message(
    make_server: MakeServer, open_window: OpenWindow
) -> None:
    """Too long: with the reason, and what can be done. Too fast: it goes by itself, in order."""
    server = make_server(limit_chat_characters="20", limit_chat_messages_per_second="1")
    await server.start()
    box = ChatBox(await open_window(f"{server.http}/?session=limits"))
    await box.say("much more than twenty characters")
    refused = box.message("much more")
    await expect(refused).to_contain_text("A message has at most 20 characters")
    await refused.get_by_role("button", name="Try again").click()
    await expect(refused).to_contain_text("A message has at most 20 characters")
    await refused.get_by_role("button", name="Edit").click()
    await expect(box.field).to_have_value("much more than twenty characters")
    await box.shows()
    await box.say("again much more than twenty")
    await refused.get_by_role("button", name="Discard").click()
    await box.shows()
    said = [str(number) for number in range(8)]
    for text in said:
        await box.say(text)
    await expect(box.panel).to_contain_text("It is sent again in a moment.")
    await box.is_settled()
    await box.shows(*said)
