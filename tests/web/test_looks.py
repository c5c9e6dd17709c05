"""How the page looks and handles: keys, phones, light and dark, posters, hostile titles."""

import pytest
from homepage import HOSTILE, MEMBER, Visit, visiting
from playwright.async_api import Browser, expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SMALL = f"?user={MEMBER}&entities=6&rows=5"
FOCUSED = """() => {
    const card = document.activeElement;
    const row = card.closest(".row");
    return row && [
        [...document.querySelectorAll("#rows .row")].indexOf(row),
        [...row.querySelectorAll(".card")].indexOf(card),
    ];
}"""


async def test_arrow_keys_walk_the_page(visit: Visit) -> None:
    """Left and right in a row, up and down between rows, Home and End, Enter opens."""
    await visit.open(SMALL)
    await visit.whole_page(5)
    await visit.page.locator(".row").nth(1).locator(".card").first.focus()

    async def pressed(key: str) -> object:
        await visit.page.keyboard.press(key)
        return await visit.page.evaluate(FOCUSED)

    assert await pressed("ArrowRight") == [1, 1]
    assert await pressed("ArrowRight") == [1, 2]
    assert await pressed("ArrowDown") == [2, 2]
    assert await pressed("ArrowLeft") == [2, 1]
    assert await pressed("End") == [2, 5]
    assert await pressed("ArrowRight") == [2, 5]
    assert await pressed("Home") == [2, 0]
    assert await pressed("ArrowUp") == [1, 0]
    await pressed("Enter")
    await expect(visit.page.locator("#details")).to_be_visible()
    assert await pressed("Escape") == [1, 0]
    # Above the rows stands the spotlight.
    await pressed("ArrowUp")
    await pressed("ArrowUp")
    await expect(visit.page.locator("#hero").get_by_role("button", name="Play")).to_be_focused()


async def test_each_rows_cards_are_one_tab_stop(visit: Visit) -> None:
    """Tab goes from row to row by the reasons for them, and comes back to the card left."""
    await visit.open(SMALL)
    await visit.whole_page(5)
    stops = visit.page.locator(".card[tabindex='0']")
    await expect(stops).to_have_count(5)
    await visit.page.locator(".row").nth(1).locator(".card").first.focus()
    await visit.page.keyboard.press("ArrowRight")
    await expect(visit.page.locator(".why summary")).to_have_count(5)
    for key, place in (("Tab", [2, -1]), ("Tab", [2, 0]), ("Shift+Tab", [2, -1])):
        await visit.page.keyboard.press(key)
        assert await visit.page.evaluate(FOCUSED) == place
    await visit.page.keyboard.press("Shift+Tab")
    assert await visit.page.evaluate(FOCUSED) == [1, 1]
    await expect(stops).to_have_count(5)
    outline = await visit.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


async def test_focus_survives_a_new_page(visit: Visit) -> None:
    """Whoever stands on a card still stands in that row when the page is replaced."""
    await visit.open(SMALL)
    await visit.whole_page(5)
    card = visit.page.locator(".row").nth(3).locator(".card").nth(2)
    await card.focus()
    await visit.page.evaluate("document.getElementById('refresh').click()")
    await expect(visit.page.locator("#toast")).to_contain_text("Nothing moved")
    assert await visit.page.evaluate(FOCUSED) == [3, 2]


async def test_a_phone_scrolls_rows_and_not_the_page(browser: Browser, address: str) -> None:
    """Nothing is wider than a phone but the rows in their scrollers; fingers hit the buttons."""
    async with visiting(browser, address, size=(360, 740)) as visit:
        await visit.open(SMALL)
        await visit.whole_page(5)
        overflow = "document.documentElement.scrollWidth - innerWidth"
        assert await visit.page.evaluate(overflow) == 0
        rails = await visit.page.evaluate(
            """() => [...document.querySelectorAll(".cards")].slice(1).map(
                (rail) => rail.scrollWidth > rail.clientWidth)"""
        )
        assert all(rails)
        for name in (
            "Refresh the page",
            "What to ask for",
            "Behind the page",
            f"Watching: {MEMBER}",
        ):
            box = await visit.page.get_by_role("button", name=name).bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 38
        await visit.page.get_by_role("button", name="Behind the page").click()
        assert await visit.page.evaluate(overflow) == 0
        await visit.page.locator("#inspector-close").click()
        await visit.page.locator(".row").nth(1).locator(".card").first.tap()
        await expect(visit.page.locator("#details")).to_be_visible()
        assert await visit.page.evaluate(overflow) == 0


async def test_light_and_dark_follow_the_system(browser: Browser, address: str) -> None:
    """The ground is dark at night and light by day, the ink the other way round."""
    sums = {}
    for light in (False, True):
        async with visiting(browser, address, light=light) as visit:
            await visit.open()
            sums[light] = await visit.page.evaluate(
                """() => ["backgroundColor", "color"].map((name) =>
                    getComputedStyle(document.body)[name].match(/\\d+/g).slice(0, 3)
                        .reduce((sum, part) => sum + Number(part), 0))"""
            )
    ground, ink = sums[False]
    assert (ground < 150, ink > 600) == (True, True)
    ground, ink = sums[True]
    assert (ground > 600, ink < 150) == (True, True)


async def test_a_hostile_title_is_text(visit: Visit) -> None:
    """Markup in titles, rows and synopses is shown as it is written, everywhere it stands."""
    await visit.open(SMALL)
    await visit.whole_page(5)
    card = visit.page.locator(".card[data-entity=e0]")
    assert HOSTILE in (await card.get_attribute("aria-label") or "")
    await expect(visit.page.locator(".row h2").first).to_have_text(HOSTILE)
    await card.click()
    await expect(visit.page.locator("#details h2")).to_have_text(HOSTILE)
    await expect(visit.page.locator("#details .synopsis")).to_have_text(HOSTILE)
    await visit.page.locator("#details [data-act=play]").click()
    await visit.page.get_by_role("button", name="Behind the page").click()
    await expect(visit.page.locator("#history .did").first).to_contain_text(HOSTILE)
    await visit.page.get_by_role("tab", name="What the model saw").click()
    await expect(visit.page.locator("#prompt")).to_contain_text(HOSTILE)
    assert await visit.page.evaluate("globalThis.struck === undefined")
    await expect(visit.page.locator("img, body script")).to_have_count(0)


async def test_a_hostile_member_name_is_text(visit: Visit) -> None:
    """The name in the address is as much data as a title."""
    await visit.open(f"?user={'<img src=x onerror=globalThis.struck=1>'}&entities=6&rows=3")
    await visit.whole_page(3)
    await expect(visit.page.locator("#member .name")).to_have_text(
        "<img src=x onerror=globalThis.struck=1>"
    )
    assert await visit.page.evaluate("globalThis.struck === undefined")
    await expect(visit.page.locator("img")).to_have_count(0)


async def test_posters_depend_on_the_data_alone(visit: Visit) -> None:
    """The same title gives the same picture each time; other titles give other pictures."""
    await visit.open()
    pictures: list[str] = await visit.page.evaluate(
        """async () => {
            const { poster } = await import("/web/poster.js");
            const drawn = (title, genres, shape = "wide") =>
                poster({ id: "x", title, kind: "film", genres, year: 1999 }, shape)
                    .outerHTML.replaceAll(/paint-\\d+/g, "paint");
            return [
                drawn("Heat", ["Crime"]), drawn("Heat", ["Crime"]), drawn("Heat", ["Romance"]),
                drawn("Cold", ["Crime"]), drawn("Heat", ["Crime"], "tall"),
                drawn("", []), drawn("A".repeat(300), []), drawn("x ".repeat(100), ["Unheard of"]),
            ];
        }"""
    )
    assert pictures[0] == pictures[1]
    assert len(set(pictures)) == len(pictures) - 1
    assert all(picture.startswith("<svg") and "NaN" not in picture for picture in pictures)


async def test_landmarks_and_names_are_there(visit: Visit) -> None:
    """What a screen reader needs: landmarks, one h1, a name for every control, rows announced."""
    await visit.open(SMALL)
    await visit.whole_page(5)
    for role in ("banner", "main", "contentinfo"):
        await expect(visit.page.get_by_role(role)).to_have_count(1)
    await expect(visit.page.locator("h1")).to_have_count(1)
    nameless = await visit.page.evaluate(
        """() => [...document.querySelectorAll("button:not([aria-hidden]), input, select")].filter(
            (control) => !(control.textContent.trim() || control.getAttribute("aria-label")
                || control.labels?.length)).map((control) => control.outerHTML)"""
    )
    assert nameless == []
    await expect(visit.page.locator("#announcer")).to_contain_text("5 rows in")
    regions = visit.page.locator("section.row[aria-labelledby]")
    await expect(regions).to_have_count(5)
