"""Take the README's pictures of the homepage from a running server.

    python scripts/screenshot.py http://127.0.0.1:8700 [--member ID] [--out docs/images]

Each picture is a PNG below 400 KB; one that would be larger is taken at a lower resolution. The
last one shows how a page changes: for it, the member looks at a title and plays one.
"""

import argparse
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from playwright.sync_api import Browser, Page, sync_playwright

LARGEST = 400_000
PATIENCE_MS = 60_000
PHONE = 560
# Factors on a picture's own scale, tried in order until it is small enough.
FINER_TO_COARSER = (1.0, 0.85, 0.7, 0.6, 0.5)
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True, slots=True)
class Picture:
    """What to take: a window's size in CSS pixels, the screen's scale, and what is open."""

    name: str
    width: int
    height: int
    scale: float = 1.0
    scheme: Literal["dark", "light"] = "dark"
    view: Literal["page", "prompt", "details", "changed"] = "page"


PICTURES = (
    Picture("homepage", 1440, 900),
    Picture("homepage-light", 1440, 900, scheme="light"),
    Picture("homepage-prompt", 1440, 900, view="prompt"),
    Picture("homepage-phone", 390, 844, scale=2.0),
    Picture("homepage-phone-details", 390, 844, scale=2.0, scheme="light", view="details"),
    Picture("homepage-changed", 1440, 900, view="changed"),
)


def main() -> None:
    """Take them all."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("address", help="where a server runs, as http://127.0.0.1:8700")
    arguments.add_argument("--member", help="who watches; the first of the picker where missing")
    arguments.add_argument("--out", type=Path, default=Path("docs/images"))
    given = arguments.parse_args()
    path = shutil.which("chromium")
    if path is None:
        sys.exit("Chromium is not installed: run `make setup-browser`")
    given.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        address = given.address.rstrip("/")
        member = given.member or first_member(browser, address)
        for picture in PICTURES:
            taken = take(browser, picture, f"{address}/?user={quote(member)}")
            file = given.out / f"{picture.name}.png"
            file.write_bytes(taken)
            print(f"{file}  {len(taken) / 1000:.0f} KB")
        browser.close()


def first_member(browser: Browser, address: str) -> str:
    """The member that the picker offers first."""
    page = browser.new_page()
    page.goto(address)
    name = page.locator("#member-list .name").first.inner_text(timeout=PATIENCE_MS)
    page.close()
    return name


def take(browser: Browser, picture: Picture, address: str) -> bytes:
    """The picture, at the finest resolution that keeps it below `LARGEST` bytes."""
    for factor in FINER_TO_COARSER:
        phone = picture.width < PHONE
        profile = browser.new_context(
            viewport={"width": picture.width, "height": picture.height},
            device_scale_factor=picture.scale * factor,
            is_mobile=phone,
            has_touch=phone,
            color_scheme=picture.scheme,
            reduced_motion="reduce",
        )
        page = profile.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        settled(page)
        show(page, picture.view)
        taken = page.screenshot()
        profile.close()
        if len(taken) <= LARGEST:
            return taken
    sys.exit(f"{picture.name} stays above {LARGEST} bytes")


def show(page: Page, view: str) -> None:
    """Open what the picture is of."""
    if view == "prompt":
        page.get_by_role("button", name="Behind the page").click()
        page.get_by_role("tab", name="What the model saw").click()
        page.locator("#prompt .segment").first.wait_for()
    elif view == "details":
        page.locator(".row").nth(1).locator(".card").nth(1).click()
        page.wait_for_load_state("networkidle")
    elif view == "changed":
        page.locator(".row").nth(1).locator(".card").nth(1).click()
        page.locator("#details [data-act=play]").click()
        page.locator("#toast", has_text="page changed").wait_for()
        settled(page)
        page.evaluate("document.querySelector('.row').scrollIntoView({ block: 'start' })")
    page.mouse.move(0, 0)
    # Two frames: what came into view is drawn when it is near.
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 400)))")


def settled(page: Page) -> None:
    """Wait for the page's last row and its numbers."""
    page.locator("#rows[aria-busy=false] .row.arrived").first.wait_for()
    page.locator("#timing dl div").first.wait_for()
    page.wait_for_load_state("networkidle")  # synopses follow their titles; not every title has one


if __name__ == "__main__":
    main()
