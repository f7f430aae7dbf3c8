"""The page on a real watch: the flown night of the embedded area, replayed by the code that showed it live.

`test_page` drives the page with a made-up source; here everything on the screen came through MAVLink and KLV.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from test_page import CHROMIUM, FLAGS, LOOPBACK, NIGHT_GROUND, Serving, Watched

from kuntur.ops import area, stored

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),  # the night is flown for it where no other test has
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium (apt-get install chromium)"),
]


def test_the_flown_night_on_the_screen(flown_night: Path) -> None:
    with stored.Follow(area.load("tambo_quemado"), flown_night, speed=400.0) as follow, sync_playwright() as playwright:
        serving = Serving(follow)
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        try:
            watched = Watched(browser)
            watched.page.goto(serving.address)
            watched.page.wait_for_selector("[data-map='ready']")
            picture = watched.shot()
            assert picture.std(axis=(0, 1)).max() > 2.0, "the terrain is blank"
            assert abs(picture.mean(axis=(0, 1)) - NIGHT_GROUND).max() > 2.0

            before = follow.live.snapshot()
            deadline = time.monotonic() + 60
            while not follow.live.snapshot().alerts and time.monotonic() < deadline:
                time.sleep(0.5)
            after = follow.live.snapshot()
            assert after.alerts, "no alert came up"
            moved = {a.id: (a.lat_deg, a.lon_deg) for a in after.aircraft}
            assert any(moved.get(a.id) != (a.lat_deg, a.lon_deg) for a in before.aircraft) or not before.aircraft
            watched.page.wait_for_selector(".alert")
            assert "SKETCHED" in watched.page.inner_text("body").upper()
            assert watched.hosts <= LOOPBACK, watched.hosts
        finally:
            browser.close()
            serving.stop()
