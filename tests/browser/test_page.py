"""The page in a real Chromium: people in several windows write together."""

import asyncio
import time
from collections.abc import Callable

from playwright.async_api import expect

from server.domain.roles import Role
from server.sessions.tokens import make_token
from tests.browser.conftest import OpenWindow
from tests.browser.window import converged
from tests.clients.driver import Driver
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

SECRET = "a secret of at least thirty-two bytes"
MakeServer = Callable[..., LyceumServer]


async def test_two_windows_write_together(server: LyceumServer, open_window: OpenWindow) -> None:
    """What one types appears in the other, with who is here and where; leaving is seen at once."""
    ada = await open_window(f"{server.http}/?session=together", "Ada")
    grace = await open_window(f"{server.http}/?session=together", "Grace Höpper")
    await ada.sees_people("Ada", "Grace Höpper")
    await grace.sees_people("Grace Höpper", "Ada")

    await ada.write("contract Café {\n")
    assert await grace.sees_text("contract Café {")
    await grace.sees_caret("Ada", line=1)
    await grace.write("// 👋")
    await ada.sees_text("// 👋")
    assert await converged([ada, grace]) == "contract Café {\n    \n}// 👋"
    await ada.sees_caret("Grace Höpper", line=2)
    await grace.go_to("Control+Home")
    await ada.sees_caret("Grace Höpper", line=0)
    await ada.click_caret("Grace Höpper")
    await grace.sees_caret("Ada", line=0)

    await grace.name_input.fill("Admiral")
    await ada.sees_people("Ada", "Admiral")
    await ada.sees_caret("Admiral", line=0)
    await grace.close()
    await ada.sees_people("Ada")
    await ada.sees_no_caret()


async def test_a_window_is_ready_to_type_in(server: LyceumServer, open_window: OpenWindow) -> None:
    """Once live, the editor has the focus; a name that is being typed keeps it."""
    ada = await open_window(f"{server.http}/?session=ready")
    await expect(ada.content).to_be_focused()
    await ada.page.keyboard.type("at once")
    assert await ada.text() == "at once"
    grace = await open_window(f"{server.http}/?session=ready", "Grace")
    await expect(grace.name_input).to_be_focused()


async def test_concurrent_typing_converges(server: LyceumServer, open_window: OpenWindow) -> None:
    """Two who type at the same place at the same time lose no letter and see the same text."""
    url = f"{server.http}/?session=concurrent"
    windows = [await open_window(url, "Ada"), await open_window(url, "Grace")]
    small, large = "the quick brown fox " * 4, "JUMPS OVER THE LAZY DOG " * 4
    await asyncio.gather(windows[0].write(small, pause=0.01), windows[1].write(large, pause=0.008))

    async def complete() -> bool:
        return len(await windows[0].text()) == len(small) + len(large)

    await eventually(complete, what="every letter")
    text = await converged(windows)
    assert _only(str.islower, text) == _only(str.islower, small)
    assert _only(str.isupper, text) == _only(str.isupper, large)
    late = await open_window(url)
    assert await late.sees_text(text) == text


async def test_a_killed_server_costs_nothing(
    make_server: MakeServer, open_window: OpenWindow
) -> None:
    """Offline, all go on writing; when the server is back, so are texts, people and carets."""
    server = make_server()
    await server.start()
    url = f"{server.http}/?session=killed"
    ada, grace = await open_window(url, "Ada"), await open_window(url, "Grace")
    idle = await open_window(url, "Idle")
    await ada.sees_people("Ada", "Grace", "Idle")
    await ada.write("together\n")
    await grace.sees_text("together")
    for window, name in ((grace, "Grace"), (idle, "Idle")):
        await window.go_to("Control+Home")
        await ada.sees_caret(name)

    ada.server_gone = grace.server_gone = idle.server_gone = True
    await server.kill()
    for window in (ada, grace, idle):
        await window.sees_state("offline")
        await expect(window.note).to_contain_text("your edits are kept in this window")
    await ada.sees_people("Ada")
    await ada.write("from Ada\n")
    await grace.write("from Grace\n")
    assert await ada.text() == "together\nfrom Ada\n"
    await expect(ada.saved).to_have_text("Not saved yet")
    await ada.may_not_close_unasked()

    await server.start()
    for window in (ada, grace, idle):
        await window.sees_state("live")
        await expect(window.note).to_be_hidden()
        await window.sees_text("together", "from Ada", "from Grace")
    text = await converged([ada, grace, idle])
    await ada.sees_people("Ada", "Grace", "Idle")
    await grace.sees_people("Grace", "Ada", "Idle")
    await idle.sees_people("Idle", "Ada", "Grace")
    for name in ("Grace", "Idle"):
        await ada.sees_caret(name)
    await grace.sees_caret("Ada")
    late = await open_window(url)
    assert await late.sees_text(text) == text


async def test_content_is_found_again(make_server: MakeServer, open_window: OpenWindow) -> None:
    """What was written is there when all windows were closed and the server was restarted."""
    server = make_server()
    await server.start()
    ada, grace = await open_window(server.http), await open_window(server.http)
    await ada.write("uint256 α = 1;\n")
    await grace.sees_text("α = 1;")
    await grace.write("uint256 β = 2;")
    await ada.sees_text("β = 2;")
    await ada.close()
    await grace.close()
    assert await server.stop() == 0
    await server.start()
    again = await open_window(server.http)
    assert await again.sees_text("β") == "uint256 α = 1;\nuint256 β = 2;"


async def test_a_viewer_reads_and_is_told_so(
    make_server: MakeServer, open_window: OpenWindow
) -> None:
    """A guest who may only view sees every edit, can't type, and reads why; a token lets write."""
    server = make_server(guests="viewer", auth_secret=SECRET)
    await server.start()
    token = make_token(SECRET, "ada", "Ada", {"lesson": Role.EDITOR}, 3600)
    url = f"{server.http}/?session=lesson"
    ada = await open_window(f"{url}#token={token}", "Ada")
    assert ada.page.url == url  # a projector must not show the token
    viewer = await open_window(url, "Guest", state="reading")
    await expect(viewer.note).to_contain_text("You are a viewer here")
    await expect(viewer.content).to_have_attribute("aria-readonly", "true")

    await ada.write("for all")
    await viewer.sees_text("for all")
    await viewer.write("mine")
    await ada.write(" to read")
    assert await viewer.sees_text("to read") == "for all to read"
    assert await ada.text() == "for all to read"
    await ada.sees_people("Ada", "Guest")
    await viewer.sees_caret("Ada")

    ada.server_gone = viewer.server_gone = True
    await server.kill()
    await viewer.sees_state("offline")
    await expect(viewer.note).to_contain_text("The server cannot be reached.")


async def test_a_refused_guest_reads_why(make_server: MakeServer, open_window: OpenWindow) -> None:
    """Where guests are not let in, the page says so, stays read-only and does not try again."""
    server = make_server(guests="off", auth_secret=SECRET)
    await server.start()
    guest = await open_window(server.http, state="refused")
    await expect(guest.note).to_contain_text("Guests are not let in; a token is needed.")
    await expect(guest.content).to_have_attribute("aria-readonly", "true")
    await guest.write("let me in")
    assert await guest.text() == ""


async def test_a_page_is_kept_no_longer_than_it_is_right(
    server: LyceumServer, open_window: OpenWindow
) -> None:
    """Browsers ask for the page each time, for its parts never again, and get them compressed."""
    window = await open_window(server.http)
    page, *parts = window.responses
    assert page.headers["cache-control"] == "no-cache"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert {part.url.rpartition(".")[2] for part in parts} >= {"js", "css", "svg"}
    for part in parts:
        assert "immutable" in part.headers["cache-control"]
        assert part.headers["content-encoding"] == "gzip"
    known = {"if-none-match": parts[0].headers["etag"]}
    assert (await window.page.request.get(parts[0].url, headers=known)).status == 304


async def test_a_new_server_has_two_writing_soon(
    make_server: MakeServer, open_window: OpenWindow, record_testsuite_property: Callable[..., None]
) -> None:
    """From nothing, without a database, to two windows that see each other's words."""
    server = make_server()
    started = time.monotonic()
    await server.start(wait_ready=False)
    serving = time.monotonic() - started
    ada, grace = await asyncio.gather(open_window(server.http), open_window(server.http))
    await ada.write("hello ")
    await grace.sees_text("hello")
    await grace.write("world")
    await ada.sees_text("world")
    record_testsuite_property("serving_seconds", round(serving, 2))
    record_testsuite_property("writing_seconds", round(time.monotonic() - started, 2))


def _only(wanted: Callable[[str], bool], text: str) -> str:
    return "".join(filter(wanted, text))


async def test_a_browser_agrees_on_compression(
    server: LyceumServer, open_window: OpenWindow, driver: Driver
) -> None:
    """A large text comes compressed, and what is typed then goes out so and is heard."""
    author = await driver.join("hp4", server.ws, "compressed")
    await author.insert("a line of many words\n" * 2000)
    before = await server.metric("lyceum_deflated_messages_total")
    window = await open_window(f"{server.http}/?session=compressed", "Ada")
    await window.write("typed in a browser")
    text = await author.wait_text(contains="typed in a browser")
    assert len(text) > 40_000
    assert await server.metric("lyceum_deflated_messages_total") == before + 1
    await author.insert("pasted" * 5000)
    await author.wait_settled()
    await eventually(lambda: compressed_since(server, before + 1))


async def compressed_since(server: LyceumServer, before: float) -> bool:
    """Whether the server has compressed a message since."""
    return await server.metric("lyceum_deflated_messages_total") > before
