"""The page of `kuntur see` in Debian's Chromium: from disk without any network, and served by the command itself."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import rasterio
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rasterio.transform import Affine

from kuntur.ops import see, see_files, see_ground

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", *(["--no-sandbox"] if os.geteuid() == 0 else [])]  # fmt: skip
SIZE = {"width": 1280, "height": 760}
MIDDLE = (847, 368)  # of the picture: what the cards leave free

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium (apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def terrain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain at 4,000 m with gentle waves, a wall 300 m high east of the middle, and a void in the south-west."""
    path = tmp_path_factory.mktemp("terrain") / "wall.tif"
    row, col = np.mgrid[0:160, 0:160]
    heights = (4000.0 + 8.0 * np.sin(row / 7.0) * np.cos(col / 9.0)).astype(np.float32)
    heights[:, 100:103] = 4300.0
    heights[110:130, 30:50] = -9999.0
    step = 1.0 / 1200.0
    with rasterio.open(
        path, "w", driver="GTiff", height=160, width=160, count=1, dtype="float32", crs="EPSG:4326", nodata=-9999.0,
        transform=Affine(step, 0.0, -70.0 - 80 * step, 0.0, -step, -10.0 + 80 * step),
    ) as file:  # fmt: skip
        file.write(heights, 1)
    return path


class Shown:
    """A page with everything it said and everywhere it went."""

    def __init__(self, browser: Browser, *, offline: bool = False, language: str = "en-GB") -> None:
        context = browser.new_context(viewport=SIZE, locale=language, offline=offline, reduced_motion="reduce")
        self.page: Page = context.new_page()
        self.page.set_default_timeout(45_000)
        self.said: list[str] = []
        self.went: list[str] = []
        self.page.on("console", lambda m: self.said.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.said.append(f"page error: {e}"))
        self.page.on("request", lambda r: self.went.append(r.url))

    def probe(self, east: float, north: float) -> tuple[str, str]:
        """Point at a place, in shares of the picture's half width from its middle; the verdict and the figures."""
        self.page.mouse.move(MIDDLE[0] + east * 362.0, MIDDLE[1] - north * 362.0)
        self.page.wait_for_selector("#probe:not([hidden])")
        return self.page.inner_text("#verdict"), self.page.inner_text("#figures")

    def colours(self) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS) as one:
        yield one


@pytest.fixture(scope="module")
def from_disk(terrain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    view = see.look(terrain, see_ground.at_point(-10.0, -70.0, 60.0), max_range_m=6000.0)
    return see_files.write(view, tmp_path_factory.mktemp("seen"))[-1]


@pytest.fixture
def disk(browser: Browser, from_disk: Path) -> Iterator[Shown]:
    shown = Shown(browser, offline=True)
    shown.page.goto(from_disk.as_uri())
    shown.page.wait_for_selector("html[data-map=ready]")
    yield shown
    assert shown.said == []
    assert [url for url in shown.went if not url.startswith(("file:", "data:"))] == []
    shown.page.context.close()


def test_it_opens_from_disk_without_a_network_and_tells_what_is_under_the_pointer(disk: Shown) -> None:
    page = disk.page
    assert page.inner_text("#title") == "Seen from 10.0000° S 70.0000° W"
    summary = page.inner_text("#summary")
    assert "60 m above the ground" in summary and "the largest share to the east" in summary and "Unknown:" in summary
    verdict, figures = disk.probe(0.2, 0.0)
    assert verdict == "Seen"
    assert "10.00" in figures and "above the sea" in figures and "Slant range\n1.2 km" in figures
    verdict, figures = disk.probe(0.6, 0.02)
    assert verdict == "Hidden behind ground 2 km from the eye"  # the wall's far edge, highest over the falling line
    assert "Seen if taller than" in figures
    assert disk.probe(-0.6, -0.6)[0] == "Unknown"
    assert disk.probe(0.95, 0.95)[0] == "Not looked at"


def test_the_picture_has_light_and_shade(disk: Shown) -> None:
    shot = disk.colours()
    red, _, blue = (shot[120:620, 560:1120, k] for k in range(3))
    warm, dusk = (red - blue > 60).mean(), (blue - red > 15).mean()
    assert warm > 0.2 and dusk > 0.1
    first = shot
    disk.page.click("input[value=least_height]")
    disk.page.wait_for_timeout(300)
    changed = np.abs(disk.colours() - first).max(axis=-1) > 25
    assert changed.mean() > 0.1


def test_keys_alone_are_enough(disk: Shown) -> None:
    page = disk.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "map"
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    before = page.inner_text("#figures")
    assert page.inner_text("#verdict") == "Seen" and "Position" in before
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#figures") != before
    assert page.locator("#live").inner_text().startswith("Seen.")
    near = disk.colours()
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.wait_for_timeout(200)
    assert (np.abs(disk.colours() - near).max(axis=-1) > 25).mean() > 0.05
    page.keyboard.press("0")
    page.keyboard.press("l")
    assert page.locator("input[value=least_height]").is_checked()
    assert page.get_attribute("#map", "aria-label") == "Map of what is seen"


def test_it_speaks_spanish(disk: Shown) -> None:
    disk.page.click("#language")
    assert disk.page.get_attribute("html", "lang") == "es"
    assert disk.page.inner_text("#title") == "Visto desde 10,0000° S 70,0000° O"
    assert disk.probe(0.2, 0.0)[0] == "Visto"
    assert disk.probe(0.6, 0.02)[0] == "Oculto tras terreno a 2 km del ojo"


# --- kuntur see --open


@pytest.fixture
def command(terrain: Path, tmp_path: Path) -> Iterator[str]:
    """The command as a user runs it; its address. Ctrl-C ends it cleanly."""
    words = ["see", "10S", "70W", "60", "--terrain", str(terrain), "--range", "4000", "--open", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from kuntur.cli import main; main()", *words, "--out", str(tmp_path / "seen")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = ""
        for line in process.stdout:
            if line.startswith("Map: "):
                address = line.split()[1]
                break
        assert address, process.stderr.read() if process.stderr else ""
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in err


def test_move_the_eye_and_draw_a_route(browser: Browser, command: str) -> None:
    shown = Shown(browser)
    page = shown.page
    page.goto(command)
    page.wait_for_selector("#draw:not([hidden])")
    assert "token" not in page.url
    assert page.input_value("#height") == "60" and page.input_value("#range") == "4"

    page.fill("#height", "100")
    page.click("#move")
    page.mouse.click(MIDDLE[0] - 60, MIDDLE[1] + 40)
    page.wait_for_selector("#title:has-text('Seen from 10.00')")
    page.wait_for_selector("body:not(.busy)")
    assert "From 100 m above the ground" in page.inner_text("#summary")

    page.fill("#range", "2")
    page.click("#route")
    for dx, dy in ((-120, 60), (-40, -20), (-30, 120)):
        page.mouse.click(MIDDLE[0] + dx, MIDDLE[1] + dy)
    page.keyboard.press("Enter")
    page.wait_for_selector("#title:has-text('Seen along')")
    page.wait_for_selector("body:not(.busy)")
    assert "points, 100 m above the ground" in page.inner_text("#summary")
    assert page.locator("input[value=count]").count() == 1

    # Past the end of the data nothing is known; an eye there is refused, and the page keeps the picture that it has.
    page.fill("#range", "30")
    page.click("#move")
    page.mouse.click(*MIDDLE)
    page.wait_for_selector("#title:has-text('Seen from')")
    page.wait_for_selector("body:not(.busy)")
    assert "Unknown: 9" in page.inner_text("#summary")
    title = page.inner_text("#title")
    page.click("#move")
    page.mouse.click(MIDDLE[0] + 200, MIDDLE[1])
    page.wait_for_selector("#trouble:has-text('lies outside the terrain: wall.tif holds')")
    assert page.inner_text("#title") == title

    assert {urlsplit(url).hostname for url in shown.went if not url.startswith("data:")} == {"127.0.0.1"}
    assert [text for text in shown.said if "409" not in text] == []
    page.context.close()


def test_a_wrong_token_gets_nothing(browser: Browser, command: str) -> None:
    shown = Shown(browser)
    shown.page.goto(command.split("#")[0] + "#token=wrong")
    shown.page.wait_for_selector("#title:has-text('session token')")
    assert shown.page.locator("#draw[hidden]").count() == 1
    shown.page.context.close()
