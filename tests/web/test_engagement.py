"""What a member does, and what becomes of the page: actions, history, prompt, pagination."""

import time
from dataclasses import replace
from datetime import datetime

import pytest
from homepage import HOSTILE, MEMBER, Visit, remember, served, visiting, website
from playwright.async_api import Browser, expect

from api.fake import FakeServer
from genpage.row import Row

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SMALL = f"?user={MEMBER}&entities=6&rows=5"


async def test_playing_a_title_changes_the_next_page(fake: FakeServer, visit: Visit) -> None:
    """An action is recorded with its place; the next page comes by itself and marks its news."""
    await visit.open(SMALL)
    await visit.whole_page(5)
    before = await visit.titles()
    await expect(visit.page.locator(".badge.new")).to_have_count(0)
    await visit.page.locator(".row").nth(2).locator(".card").nth(1).click()
    async with visit.page.expect_response("**/v1/pages"):
        await visit.page.locator("#details [data-act=play]").click()
    await expect(visit.page.locator("#toast")).to_contain_text("The page changed")
    await visit.whole_page(5)
    after = await visit.titles()
    fresh = {title for row in after for title in row} - {title for row in before for title in row}
    assert fresh
    marked = visit.page.locator(".card:has(.badge.new)")
    assert await marked.count() == len(fresh)
    context = await fake.contexts.get(MEMBER)
    assert context is not None
    looked, played = context.events
    assert (looked.action, played.action) == ("details", "play")
    assert played.entity_id == before[2][1]
    assert (played.row_pos, played.col_pos) == (2, 1)
    assert played.duration_s == 6000.0
    assert played.page_id
    assert played.row_id


async def test_refreshing_without_an_action_moves_nothing(visit: Visit) -> None:
    """The same context gives the same page, and the page says so."""
    await visit.open(SMALL)
    await visit.whole_page(5)
    before = await visit.titles()
    await visit.page.get_by_role("button", name="Refresh the page").click()
    await expect(visit.page.locator("#toast")).to_contain_text("Nothing moved")
    await visit.whole_page(5)
    assert await visit.titles() == before
    await expect(visit.page.locator(".badge.new, .moved")).to_have_count(0)


async def test_automatic_refresh_can_be_turned_off(visit: Visit) -> None:
    """Without it an action only lights the refresh button."""
    await visit.open(SMALL)
    await visit.whole_page(5)
    before = await visit.titles()
    await visit.page.get_by_role("button", name="What to ask for").click()
    await visit.page.get_by_label("Build a new page after every action").uncheck()
    await visit.page.keyboard.press("Escape")
    await visit.page.locator(".row").nth(1).locator(".card").first.click()
    await visit.page.get_by_role("button", name="I like this").click()
    await expect(visit.page.get_by_role("button", name="I like this")).to_have_attribute(
        "aria-pressed", "true"
    )
    await visit.page.keyboard.press("Escape")
    await expect(visit.page.locator("#details")).to_be_hidden()
    await expect(visit.page.locator("#refresh.due")).to_be_visible()
    assert await visit.titles() == before
    assert len(visit.posted("/v1/pages")) == 1


async def test_my_list_can_be_left_again(fake: FakeServer, visit: Visit) -> None:
    """A title on the list is shown as such, and the same button takes it off."""
    await visit.open(SMALL)
    await visit.whole_page(5)
    await visit.page.locator("#hero").get_by_role("button", name="My list").click()
    await expect(visit.page.locator("#toast")).to_contain_text("The page changed")
    await visit.whole_page(5)
    [added] = visit.posted("/v1/events")
    await visit.page.locator(f".card[data-entity={added['entity_id']}]").click()
    listed = visit.page.locator("#details").get_by_role("button", name="My list")
    await expect(listed).to_have_attribute("aria-pressed", "true")
    await listed.click()
    await expect(listed).to_have_attribute("aria-pressed", "false")
    context = await fake.contexts.get(MEMBER)
    assert context is not None
    assert [event.action for event in context.events] == [
        "add_to_list",
        "details",
        "remove_from_list",
    ]


async def test_details_tell_of_the_title(visit: Visit) -> None:
    """Title, facts, synopsis and the place on the page; Escape gives the focus back."""
    await visit.open(SMALL)
    await visit.whole_page(5)
    card = visit.page.locator(".row").nth(1).locator(".card").nth(2)
    entity = await card.get_attribute("data-entity")
    await card.focus()
    await visit.page.keyboard.press("Enter")
    details = visit.page.locator("#details")
    assert entity is not None
    number = entity.removeprefix("e")
    await expect(details.locator("h2")).to_have_text(f"The Title Number {number}")
    await expect(details.locator(".synopsis")).to_have_text(f"What happened in {number}.")
    await expect(details.locator(".meta")).to_contain_text("1 h 40 min")
    await expect(details.locator(".place")).to_contain_text("Row 2")
    await visit.page.keyboard.press("Escape")
    await expect(card).to_be_focused()


async def test_history_stands_newest_first_in_words(fake: FakeServer, visit: Visit) -> None:
    """The panel tells what the member did as sentences, and what has just happened on top."""
    await remember(fake, ("e5", "play"), ("e6", "thumbs_down"), ("gone", "search"))
    await visit.open(SMALL)
    await visit.whole_page(5)
    await visit.page.get_by_role("button", name="Behind the page").click()
    did = visit.page.locator("#history .did")
    await expect(did).to_have_text(
        [
            "Searched for gone",
            "Did not like The Title Number 6",
            "Watched The Title Number 5 for 50 min",
        ]
    )
    await expect(visit.page.locator("#history time").last).to_have_text("1 hour ago")
    await visit.page.locator("#hero").get_by_role("button", name="Play").click()
    await expect(did.first).to_contain_text("for 1 h 40 min")
    await expect(did).to_have_count(4)


async def test_the_panel_shows_what_the_model_saw(fake: FakeServer, visit: Visit) -> None:
    """The prompt stands in words by segment, four tokens an event, what was cached marked."""
    await remember(fake, ("e5", "play"), ("e6", "thumbs_up"))
    await visit.open(SMALL)
    await visit.whole_page(5)
    await visit.page.get_by_role("button", name="Behind the page").click()
    await visit.page.get_by_role("tab", name="What the model saw").click()
    segments = visit.page.locator("#prompt .segment")
    await expect(segments.first).to_be_visible()
    names = [await s.get_attribute("data-segment") for s in await segments.all()]
    assert names[0] == "profile"
    assert "history" in names
    assert "request" in names
    events = visit.page.locator("[data-segment=history] .tokens.event")
    await expect(events).to_have_count(2)
    for line in await events.all():
        assert await line.locator(".token").count() == 4
    await expect(events.first.locator(".token").first).to_have_text("The Title Number 5")
    await expect(visit.page.locator(".token.cached")).to_have_count(0)
    await visit.page.get_by_role("button", name="Refresh the page").click()
    await expect(visit.page.locator(".token.cached").first).to_be_visible()


async def test_the_panel_names_the_page_so_far(visit: Visit) -> None:
    """A continued page's prompt goes on with the rows shown, under a heading that says so."""
    await visit.open(f"{SMALL}&auto=off")
    await visit.whole_page(5)
    await visit.page.get_by_role("button", name="More rows").click()
    await visit.whole_page(10)
    await visit.page.get_by_role("button", name="Behind the page").click()
    await visit.page.get_by_role("tab", name="What the model saw").click()
    headings = visit.page.locator("#prompt .segment h3")
    await expect(headings.first).to_contain_text("Who watches")
    await expect(headings.last).to_contain_text("The page so far")


async def test_a_row_names_the_title_that_it_is_about(browser: Browser) -> None:
    """Because You Watched what; the name is text, whatever is in it."""
    row = Row("because", "because", "Because You Watched", pinned_position=1)
    fake = website(more=(row,))
    await remember(fake, ("e8", "play"), ("e0", "play"))
    async with served(fake) as address, visiting(browser, address) as visit:
        await visit.open(SMALL)
        await visit.whole_page(5)
        heading = visit.page.locator("[data-row=because] h2")
        await expect(heading).to_have_text(f"Because You Watched {HOSTILE}")


async def test_more_rows_follow_with_what_was_done(visit: Visit) -> None:
    """The next rows continue the page: engagements go along, no title comes twice."""
    await visit.open(f"{SMALL}&auto=off")
    await visit.whole_page(5)
    shown = await visit.titles()
    await visit.page.locator(".row").nth(1).locator(".card").first.click()
    await expect(visit.page.locator("#details .synopsis")).not_to_be_empty()
    await visit.page.keyboard.press("Escape")
    await visit.page.get_by_role("button", name="More rows").click()
    await visit.whole_page(10)
    titles = await visit.titles()
    assert titles[:5] == shown
    flat = [title for row in titles for title in row]
    assert len(set(flat)) == len(flat)
    first, second = visit.posted("/v1/pages")
    assert "continue_from" not in first
    assert second["continue_from"]
    engagements = second["engagements"]
    assert isinstance(engagements, list)
    [engagement] = engagements
    assert engagement["action"] == "details"
    assert engagement["entity_id"] == shown[1][0]
    # A title of the second part stands at its place on *its* page.
    await visit.page.locator(".row").nth(6).locator(".card").nth(2).click()
    await expect(visit.page.locator("#details")).to_be_visible()
    told = visit.posted("/v1/events")[-1]
    assert (told["row_pos"], told["col_pos"]) == (1, 2)
    assert told["page_id"] != engagement["page_id"]


async def test_rows_that_follow_are_no_news(visit: Visit) -> None:
    """After a changed page, the rows that come below it are not marked as changed."""
    await visit.open(SMALL)
    await visit.whole_page(5)
    await visit.page.locator("#hero").get_by_role("button", name="Play").click()
    await expect(visit.page.locator("#toast")).to_contain_text("The page changed")
    await visit.whole_page(5)
    marked = await visit.page.locator(".badge.new").count()
    assert marked
    await visit.page.get_by_role("button", name="More rows").click()
    await visit.whole_page(10)
    assert await visit.page.locator(".badge.new").count() == marked


async def test_the_end_of_the_catalog_is_said(visit: Visit) -> None:
    """When the rules leave nothing more, the page says so instead of offering more."""
    await visit.open(f"?user={MEMBER}&rows=40&entities=40")
    await visit.page.locator("#rows[aria-busy=false] .row.arrived").first.wait_for()
    await expect(visit.page.locator("#end")).to_be_visible()
    await expect(visit.page.get_by_role("button", name="More rows")).to_be_hidden()
    await expect(visit.page.locator(".row.skeleton")).to_have_count(0)


async def test_old_data_keeps_its_own_time(browser: Browser) -> None:
    """Where the data ended long ago, requests and events carry times near its end."""
    fake = website()
    ended = 1_380_000_000.0
    fake.server.stores = replace(fake.server.stores, newest=ended)
    await remember(fake, ("e5", "play"), since=ended - time.time() - 60)
    async with served(fake) as address, visiting(browser, address) as visit:
        await visit.open(SMALL)
        await visit.whole_page(5)
        await visit.page.locator("#hero").get_by_role("button", name="Play").click()
        await expect(visit.page.locator("#toast")).to_contain_text("The page changed")
        [first, _] = visit.posted("/v1/pages")
        assert str(first["at"]).startswith("2013-09-24")
        [played] = visit.posted("/v1/events")
        stamp = float(str(played["ts"]))
        assert ended < stamp < ended + 600
        # Another visit by the same browser still knows of it.
        await visit.page.reload()
        await visit.whole_page(5)
        again = datetime.fromisoformat(str(visit.posted("/v1/pages")[-1]["at"]))
        assert again.timestamp() > stamp
