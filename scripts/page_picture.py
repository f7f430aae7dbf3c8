"""Take a picture of the running map page, for the README: page_picture.py ADDRESS docs/images/map.png [--theme day].

ADDRESS is what `kuntur demo` or `kuntur watch` printed. Needs Debian's chromium.
"""

import argparse
import json
import os
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking"]


def take(address: str, picture: Path, *, theme: str, language: str, width_px: int, height_px: int) -> None:
    """Open the page, wait for its ground and its aircraft, and write what stands on the screen."""
    look = json.dumps({"theme": theme, "language": language})
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=flags) as browser:
        page = browser.new_page(viewport={"width": width_px, "height": height_px}, reduced_motion="reduce")
        page.add_init_script(f"localStorage.setItem('kuntur.look', '{look}')")
        page.goto(address)
        page.wait_for_selector("html[data-map=ready]", timeout=90_000)
        page.wait_for_selector("[data-aircraft]", state="attached", timeout=90_000)
        page.wait_for_timeout(3000)
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=picture, timeout=60_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--theme", choices=["night", "day"], default="night")
    parser.add_argument("--language", choices=["en", "es"], default="en")
    parser.add_argument("--size", default="1280x800")
    given = parser.parse_args()
    width_px, height_px = (int(side) for side in given.size.split("x"))
    take(
        given.address,
        given.picture,
        theme=given.theme,
        language=given.language,
        width_px=width_px,
        height_px=height_px,
    )


if __name__ == "__main__":
    main()
