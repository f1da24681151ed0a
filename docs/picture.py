"""Makes picture.png, the README's picture, from a running server:

.venv/bin/python docs/picture.py http://127.0.0.1:8000

It needs Chromium. Two people, one with a phone, write a contract in a new session of that server.
"""

import asyncio
import base64
import secrets
import shutil
import sys
from pathlib import Path

from playwright.async_api import Browser, Page, ViewportSize, async_playwright

PICTURE = Path(__file__).with_name("picture.png")
DESK = ViewportSize(width=940, height=600)
PHONE = ViewportSize(width=390, height=600)
SCALE = 1.25
CONTRACT = """\
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// Keeps what you pay in until you ask for it.
contract Savings {
    mapping(address => uint256) public balances;

    function deposit() external payable {
        balances[msg.sender] += msg.value;
    }

    function withdraw(uint256 amount) external {
        require(amount <= balances[msg.sender]);
        balances[msg.sender] -= amount;
        payable(msg.sender).transfer(amount);
    }
}
"""
FRAME = """
<!doctype html>
<style>
  body {{ display: flex; align-items: start; gap: 24px; margin: 24px; background: #cfd8dc }}
  img {{ border-radius: 8px; box-shadow: 0 4px 16px #0005 }}
</style>
<body>{images}
"""


async def window(
    browser: Browser, url: str, name: str, size: ViewportSize, scheme: str = "light"
) -> Page:
    """A live window in which that person is."""
    context = await browser.new_context(
        viewport=size,
        device_scale_factor=SCALE,
        has_touch=size is PHONE,
        is_mobile=size is PHONE,
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = await context.new_page()
    await page.goto(url)
    await page.get_by_test_id("name-input").fill(name)
    await page.locator("[data-testid=status][data-state=live]").wait_for()
    return page


async def colour(page: Page) -> int:
    """Which of the twelve colours around the wheel that person has; it is drawn by lot."""
    shown = await page.locator(".dot").first.get_attribute("class")
    assert shown is not None
    return int(shown.rpartition("-")[2])


async def write(page: Page, line: str, text: str = "") -> None:
    """Type at the end of the first line that has these words."""
    await page.locator(".cm-line", has_text=line).first.click()
    for _ in range(2):  # of the row, then of the line
        await page.keyboard.press("End")
    await page.keyboard.type(text)


async def say(page: Page, text: str) -> None:
    """Write into the chat, which is closed on a phone."""
    field = page.get_by_test_id("chat-input")
    is_closed = not await field.is_visible()
    if is_closed:
        await page.get_by_test_id("chat-toggle").click()
    await field.fill(text)
    await field.press("Enter")
    await page.locator(".message:not([data-state])", has_text=text).wait_for()
    if is_closed:
        await page.get_by_test_id("chat-toggle").click()


async def draw(server: str) -> None:
    """Have two people write, and save what they see side by side."""
    url = f"{server.rstrip('/')}/?session=savings-{secrets.token_hex(2)}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--headless=new", "--no-sandbox", "--disable-gpu"],
        )
        pages = [await window(browser, url, "Ada", DESK)]
        while len(pages) == 1:
            other = await window(browser, url, "Grace", PHONE, "dark")
            apart = abs(await colour(pages[0]) - await colour(other))
            if 3 <= apart <= 9:
                pages.append(other)
            else:
                await other.context.close()
        await pages[0].locator(".cm-content").click()
        await pages[0].keyboard.insert_text(CONTRACT)
        await pages[1].get_by_text("withdraw").wait_for()
        await say(pages[0], "Does the order matter in withdraw?")
        await say(pages[1], "Yes: who is paid may call again. First the balance, then the money.")
        await say(pages[0], "I see!")
        await write(pages[0], "+= msg.value", " // thank you")
        await write(pages[1], "-= amount", " // before paying")
        for page, author in zip(pages, ("Grace", "Ada"), strict=True):
            await page.get_by_text("thank you").wait_for()
            await page.get_by_text("before paying").wait_for()
            await page.get_by_text("All changes saved").wait_for()
            await page.locator(f'.other-caret[data-name="{author}"]').hover()  # shows the name
        shots = [base64.b64encode(await page.screenshot()).decode() for page in pages]
        images = "".join(f'<img src="data:image/png;base64,{shot}">' for shot in shots)
        width = (DESK["width"] + PHONE["width"]) * SCALE
        frame = await browser.new_page(viewport={"width": int(width) + 72, "height": 100})
        await frame.set_content(FRAME.format(images=images))
        await frame.screenshot(path=PICTURE, full_page=True)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(draw(sys.argv[1]))
