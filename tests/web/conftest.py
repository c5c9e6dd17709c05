"""One browser for all the browser tests, a fresh profile for each of them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from homepage import Visit, launch, served, visiting, website
from playwright.async_api import Browser, async_playwright

from api.fake import FakeServer


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A running Chromium."""
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        yield browser
        await browser.close()


@pytest.fixture
def fake() -> FakeServer:
    """The server behind the homepage; a test may look into it and hold its backend."""
    return website()


@pytest_asyncio.fixture(loop_scope="session")
async def address(fake: FakeServer) -> AsyncIterator[str]:
    """Where the homepage is."""
    async with served(fake) as address:
        yield address


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, address: str) -> AsyncIterator[Visit]:
    """Somebody at a desktop's browser, not yet on the page."""
    async with visiting(browser, address) as visit:
        yield visit
