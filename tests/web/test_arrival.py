"""The page as it comes: row by row, over broken wires, from full and unready servers."""

import httpx
import pytest
from homepage import MEMBER, Visit, Wire, chromium, remember, served, visiting, website
from playwright.async_api import Browser, expect

from api.auth import Keys
from api.fake import FakeServer
from api.server import Options
from runtime.limits import Limits

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Enough passes for the first rows, not for ten.
SOME_PASSES = 12


async def test_rows_are_shown_while_later_ones_are_decoded(fake: FakeServer, visit: Visit) -> None:
    """The first row stands on the screen before the last is decoded; skeletons hold the rest."""
    fake.backend.hold()
    await visit.open(f"?user={MEMBER}&entities=6")
    await expect(visit.page.locator(".row.skeleton")).to_have_count(10)
    fake.backend.let(SOME_PASSES)
    await expect(visit.page.locator(".row.arrived").first).to_be_visible()
    await expect(visit.page.locator("#rows")).to_have_attribute("aria-busy", "true")
    assert 0 < await visit.page.locator(".row.skeleton").count() < 10
    await expect(visit.page.locator("#hero h2")).to_be_visible()
    fake.backend.open()
    await visit.whole_page(10)
    await expect(visit.page.locator(".row.skeleton")).to_have_count(0)


async def test_timing_stands_at_each_row_and_below_the_spotlight(visit: Visit) -> None:
    """Each row says when it came, in order; the strip gives phases, passes and cached tokens."""
    await visit.open(f"?user={MEMBER}&entities=6&rows=5")
    await visit.whole_page(5)
    at = [float(text.split()[0]) for text in await visit.page.locator(".at").all_inner_texts()]
    assert len(at) == 5
    assert at == sorted(at)
    await expect(visit.page.locator("#timing .dot")).to_have_count(5)
    names = await visit.page.locator("#timing dt").all_inner_texts()
    assert names == ["queue", "prefill", "decode", "forward passes", "prompt tokens"]


async def test_a_broken_connection_is_taken_up_where_it_stopped(
    fake: FakeServer, browser: Browser, address: str
) -> None:
    """A wire cut amid the page costs no row and repeats none: the rest comes by Last-Event-ID."""
    wire = Wire(int(address.rsplit(":", 1)[1]))
    async with wire.laid(), visiting(browser, wire.address) as visit:
        visit.expected = {"net::ERR_"}
        fake.backend.hold()
        await visit.open(f"?user={MEMBER}&entities=6")
        fake.backend.let(SOME_PASSES)
        await expect(visit.page.locator(".row.arrived").first).to_be_visible()
        wire.cut()
        await expect(visit.page.locator("#toast")).to_contain_text("The connection broke")
        fake.backend.open()
        await visit.whole_page(10)
        [resumed] = [r for r in visit.requests if r.url.endswith("/events")]
        last_id = (await resumed.all_headers())["last-event-id"]
        page_id, number = last_id.split(":")
        assert int(number) > 0
        async with httpx.AsyncClient(base_url=address) as client:
            whole = (await client.get(f"/v1/pages/{page_id}")).json()
        assert await visit.titles() == [[e["id"] for e in row["entities"]] for row in whole["rows"]]


async def test_an_unknown_member_gets_a_page_that_says_so(visit: Visit) -> None:
    """Anybody may be typed into the picker; the page is there, and says that it knows nothing."""
    await visit.open()
    await visit.page.get_by_label("Any member, known or not").fill("a stranger")
    await visit.page.get_by_role("button", name="Watch", exact=True).click()
    await visit.whole_page(10)
    await expect(visit.page.locator("#notices")).to_contain_text("Nobody knows “a stranger” yet")
    await visit.page.get_by_role("button", name="Behind the page").click()
    await expect(visit.page.locator("#history")).to_contain_text("Nothing yet")


async def test_known_members_stand_in_the_picker(fake: FakeServer, visit: Visit) -> None:
    """A known member is one click away, and the address remembers who watches."""
    await remember(fake, ("e5", "play"), ("e6", "thumbs_up"))
    await visit.open()
    await visit.page.locator("#member-list").get_by_role("button", name=MEMBER).click()
    await visit.whole_page(10)
    assert visit.page.url.endswith(f"?user={MEMBER}")
    await expect(visit.page.locator("#notices")).to_be_empty()
    await expect(visit.page.get_by_role("button", name=f"Watching: {MEMBER}")).to_be_visible()


async def test_a_full_server_is_asked_again(browser: Browser) -> None:
    """A 429 is waited out as the server wishes, and the page comes by itself."""
    fake = website(limits=Limits(batch=1, queue=0))
    async with served(fake) as address, visiting(browser, address) as visit:
        visit.expected = {"429"}
        fake.backend.hold()
        async with (
            httpx.AsyncClient(base_url=address) as client,
            client.stream(
                "POST",
                "/v1/pages",
                json={"user_id": "somebody"},
                headers={"Accept": "text/event-stream"},
            ) as seat,
        ):
            assert seat.status_code == 200
            await visit.open(f"?user={MEMBER}&entities=6&rows=3")
            await expect(visit.page.locator("#toast")).to_contain_text("Every seat is taken")
            fake.backend.open()
        await visit.whole_page(3)


async def test_a_server_that_is_not_ready_says_so(fake: FakeServer, visit: Visit) -> None:
    """A 503 becomes a sentence and a way out; the second try brings the page."""
    visit.expected = {"503"}
    model, fake.models.active = fake.models.active, None
    await visit.open(f"?user={MEMBER}&entities=6&rows=3")
    alert = visit.page.get_by_role("alert")
    await expect(alert).to_contain_text("The server is not ready")
    await expect(visit.page.locator("#rows > *")).to_have_count(0)
    fake.models.active = model
    await alert.get_by_role("button", name="Try again").click()
    await visit.whole_page(3)
    await expect(alert).to_have_count(0)


async def test_a_failure_amid_the_page_keeps_what_came(fake: FakeServer, visit: Visit) -> None:
    """An error event ends the page: its rows stay, skeletons go, the problem is told."""
    fake.backend.hold()
    await visit.open(f"?user={MEMBER}&entities=6")
    fake.backend.let(SOME_PASSES)
    await expect(visit.page.locator(".row.arrived").first).to_be_visible()
    fake.backend.fail_with = RuntimeError("the model broke")
    fake.backend.open()
    await expect(visit.page.get_by_role("alert")).to_be_visible()
    await expect(visit.page.locator(".row.skeleton")).to_have_count(0)
    assert 0 < await visit.page.locator(".row.arrived").count() < 10


async def test_a_server_with_keys_asks_for_one(browser: Browser) -> None:
    """A 401 opens a field for the key; with it the page comes."""
    fake = website(options=Options(keys=Keys.of(["sesame"]), console=True))
    async with served(fake) as address, visiting(browser, address) as visit:
        visit.expected = {"401"}
        await visit.open(f"?user={MEMBER}&entities=6&rows=3")
        await visit.page.get_by_label("API key").fill("sesame")
        await visit.page.get_by_role("button", name="Use this key").click()
        await visit.whole_page(3)


async def test_a_machine_without_a_browser_is_told_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The browser tests fail, and name the command; they do not pass by being left out."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.fail.Exception, match="make setup-browser"):
        chromium()


async def test_leaving_a_page_frees_the_server(fake: FakeServer, visit: Visit) -> None:
    """Another member chosen amid a page: the first page is given up, the second one comes."""
    fake.backend.hold()
    await visit.open("?user=first&entities=6")
    await expect(visit.page.locator(".row.skeleton")).to_have_count(10)
    fake.backend.let(SOME_PASSES)
    await expect(visit.page.locator(".row.arrived").first).to_be_visible()
    await visit.page.locator("#member").click()
    await visit.page.get_by_label("Any member, known or not").fill("second")
    async with visit.page.expect_request(lambda request: request.method == "DELETE"):
        await visit.page.keyboard.press("Enter")
    fake.backend.open()
    await visit.whole_page(10)
    assert [body["user_id"] for body in visit.posted("/v1/pages")] == ["first", "second"]
    await expect(visit.page.locator("#notices")).to_contain_text("second")
