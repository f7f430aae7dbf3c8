"""The page on a real watch: `kuntur watch` on the flown night of the embedded area, replayed by the code that ran live.

`test_page` drives the page with a made-up source; here everything on the screen came through MAVLink and KLV.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright
from test_page import CHROMIUM, FLAGS, LOOPBACK, NIGHT_GROUND, Watched

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),  # the night is flown for it where no other test has
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium (apt-get install chromium)"),
]


@pytest.fixture
def watching(flown_night: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`kuntur watch` as a user starts it, on any free port, and the address it prints."""
    command = [str(Path(sys.executable).parent / "kuntur"), "watch", "tambo_quemado", str(flown_night)]
    with subprocess.Popen(
        [*command, "--port", "0", "--speed", "200"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = ""
        while "http://" not in said:
            line = process.stdout.readline()
            assert line, f"it ended without an address: {said}"
            said += line
        try:
            yield process, said[said.index("http://") :].split()[0]
        finally:
            process.kill()


def test_the_flown_night_on_the_screen(watching: tuple[subprocess.Popen[str], str]) -> None:
    process, address = watching
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        seen = Watched(browser)
        page = seen.page
        page.goto(address)
        page.wait_for_selector("html[data-map=ready]")

        # Terrain: not a bare ground with lines on it.
        page.wait_for_timeout(1000)
        ground = np.abs(seen.shot() - NIGHT_GROUND).max(axis=-1) <= 2
        assert ground.mean() < 0.6, "most of the map is bare ground: no terrain was drawn"

        # An aircraft that moves.
        page.wait_for_selector("[data-aircraft]", state="attached")
        before = page.locator("[data-aircraft]").first.get_attribute("data-position")
        page.wait_for_function("p => document.querySelector('[data-aircraft]').dataset.position !== p", arg=before)

        # An alert, and the words for what is not real.
        page.wait_for_selector("[data-alert]", state="attached")
        assert "SKETCHED TERRAIN" in page.locator(".badges").inner_text()
        assert "SIMULATED" in page.locator(".badges").inner_text()

        # What the plan sees, its strongest attackers and the border by the kilometre, as written beside the plan.
        page.click("button.menu")
        page.click("label:has(input[name=seen])")
        page.click("label:has(input[name=routes])")
        page.click("button.menu")
        page.wait_for_selector(".panel.border .part[data-floor]:not([data-floor=''])", state="attached")

        assert seen.hosts and seen.hosts <= LOOPBACK
        assert seen.faults() == []
        browser.close()

    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
