"""The reason under each row's title: in words, and behind it the numbers."""

from dataclasses import replace

import pytest
from homepage import HOSTILE, MEMBER, Visit, catalog, remember, served, visiting, website
from playwright.async_api import Browser, expect

from api.fake import FakeServed, FakeServer
from api.server import Options
from genpage.catalog import Catalog
from genpage.row import Row, Where

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SMALL = f"?user={MEMBER}&entities=6&rows=5"
BEHIND = "details[open] .why-more"


def learnt(*more: Row) -> FakeServer:
    """A website whose model tells what its titles owe to the member's own acts."""
    whole = catalog()
    whole = Catalog.build(whole.entities, (*whole.rows, *more))
    return FakeServer.of(served=replace(FakeServed.of(whole), learnt=True))


async def test_a_row_says_why_it_is_there(browser: Browser) -> None:
    """In words at once; the numbers by the keyboard, under what the row was chosen over."""
    pinned = Row(
        "mine", "genre", "Comedies", where=Where(genres_all=("Comedy",)), pinned_position=1
    )
    fake = learnt(pinned)
    await remember(fake, *[(f"e{n}", "play") for n in range(1, 300, 8)])
    async with served(fake) as address, visiting(browser, address) as visit:
        await visit.open(SMALL)
        await visit.whole_page(5)
        why = visit.page.locator("[data-row=mine] .why")
        await expect(why.locator("summary")).to_have_text("Its place is fixed · 6 begun by you")
        await expect(visit.page.locator(BEHIND)).to_have_count(0)
        await why.locator("summary").focus()
        await visit.page.keyboard.press("Enter")
        behind = why.locator(".why-more")
        await expect(behind).to_be_visible()
        await expect(behind.locator("dt")).to_have_text(["What you did with them"])
        await expect(behind).to_contain_text("6 titles: 6 played, 6 begun")
        other = visit.page.locator(".row").nth(2).locator(".why")
        await other.locator("summary").click()
        await expect(other.locator(".why-more")).to_contain_text("next of")
        await expect(other.locator(".why-more")).to_contain_text("Scored")


async def test_rows_below_are_explained_too(visit: Visit) -> None:
    """A continuation is a page of its own; its rows get their own reasons."""
    await visit.open(f"{SMALL}&auto=off")
    await visit.whole_page(5)
    summaries = visit.page.locator(".why summary")
    await expect(summaries).to_have_count(5)
    await visit.page.get_by_role("button", name="More rows").click()
    await visit.whole_page(10)
    await expect(summaries).to_have_count(10)
    asked = [request for request in visit.requests if request.url.endswith("/why")]
    assert len({request.url for request in asked}) == len(asked) == 2


async def test_a_hostile_title_in_a_reason_stays_text(browser: Browser) -> None:
    """What was watched is named as it is, and nothing moves when the reason comes."""
    fake = website(more=(Row("because", "because", "Because You Watched", pinned_position=1),))
    await remember(fake, ("e8", "play"), ("e0", "play"))
    async with served(fake) as address, visiting(browser, address, size=(360, 740)) as visit:
        heights: list[float] = []
        await visit.page.route("**/why", lambda route: route.abort())
        visit.expected = {"net::ERR_FAILED"}
        for _ in range(2):
            await visit.open(SMALL)
            await visit.whole_page(5)
            if heights:
                await expect(visit.page.locator(".why summary")).to_have_count(5)
            heights.append(
                await visit.page.evaluate("document.getElementById('rows').scrollHeight")
            )
            await visit.page.unroute("**/why")
        assert heights[0] == heights[1]
        summary = visit.page.locator("[data-row=because] .why summary")
        await expect(summary).to_contain_text(f"Shares genres with {HOSTILE}")
        overflow = "document.documentElement.scrollWidth - innerWidth"
        assert await visit.page.evaluate(overflow) == 0
        await summary.click()
        assert await visit.page.evaluate(overflow) == 0


async def test_nobody_asks_where_the_console_is_off(browser: Browser) -> None:
    """Such a server tells no reasons; its page stands without them."""
    async with (
        served(website(options=Options(console=False))) as address,
        visiting(browser, address) as visit,
    ):
        await visit.open(SMALL)
        await visit.whole_page(5)
        assert not [request for request in visit.requests if request.url.endswith("/why")]
        await expect(visit.page.locator(".why summary")).to_have_count(0)
