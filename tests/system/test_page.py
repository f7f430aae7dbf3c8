"""The operator's screen in a real browser (Debian's Chromium): terrain, a moving aircraft, an alert, no one outside.

The map is drawn in software here, so the window is small and only one test has terrain.
"""

from __future__ import annotations

import asyncio
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import places
import pytest
from live_source import DemoWatch
from PIL import Image
from playwright.sync_api import Browser, BrowserType, sync_playwright

from kuntur.server import app as server

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]
TOKEN = "token-of-this-test"
LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
# The part of a 640 x 400 window that no panel covers: right of the edge, left of the alerts, between bar and foot.
MAP = {"x": 10, "y": 75, "width": 380, "height": 230}
NIGHT_GROUND = (10, 15, 20)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium (apt-get install chromium)"),
]


class Serving:
    """A server in its own thread, which can be stopped and started again on the same port."""

    def __init__(self, watch: DemoWatch) -> None:
        self.watch = watch
        self.port = 0
        self.start()

    def start(self) -> None:
        listening = server.open_socket(port=self.port)
        self.port = listening.getsockname()[1]
        self.address = server.address(listening, TOKEN)
        app = server.create_app(self.watch, token=TOKEN)
        started = threading.Event()

        async def serve() -> None:
            self.loop, self.task = asyncio.get_running_loop(), asyncio.current_task()
            started.set()
            await server.serve(app, listening, self.watch.run())

        def run() -> None:
            try:
                asyncio.run(serve())
            except asyncio.CancelledError:
                pass
            finally:
                listening.close()

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        assert started.wait(10)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.task.cancel)
        self.thread.join(10)
        assert not self.thread.is_alive()


class Watched:
    """A page of a browser, with everything it said and everywhere it went."""

    def __init__(self, browser: Browser) -> None:
        context = browser.new_context(viewport={"width": 640, "height": 400}, reduced_motion="reduce", locale="en-GB")
        self.page = context.new_page()
        self.page.set_default_timeout(45_000)
        self.said: list[str] = []
        self.hosts: set[str] = set()
        self.paths: list[str] = []
        self.page.on("console", lambda m: self.said.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.said.append(f"page error: {e}"))
        self.page.on("request", lambda r: self._went(r.url))
        self.page.on("websocket", lambda s: self._went(s.url))

    def _went(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.netloc.rsplit(":", 1)[0])
            self.paths.append(parts.path)

    def faults(self) -> list[str]:
        """What the browser complained of; that software drawing is slow is known here."""
        return [text for text in self.said if "GPU stall" not in text]

    def shot(self) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot(clip=MAP))).convert("RGB")).astype(int)


@pytest.fixture
def serving() -> Iterator[Serving]:
    running = Serving(DemoWatch(places.ridge_area(), speed=20.0))
    yield running
    if running.thread.is_alive():
        running.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[BrowserType]:
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture
def browser(chromium: BrowserType) -> Iterator[Browser]:
    with chromium.launch(executable_path=str(CHROMIUM), args=FLAGS) as launched:
        yield launched


def until(true: Callable[[], object], seconds: float = 20.0) -> bool:
    """Whether something of the server's side becomes true in time."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(true())


def test_the_map_lives(browser: Browser, serving: Serving) -> None:
    seen = Watched(browser)
    page = seen.page
    page.goto(serving.address)
    page.wait_for_selector("html[data-map=ready]")
    assert "token" not in page.url

    # Terrain: shaded relief all over the map, not a flat ground with lines on it.
    page.click("button.menu")
    page.click("label:has(input[name=freshness])")
    page.click("button.menu")
    page.wait_for_timeout(500)
    first = seen.shot()
    ground = np.abs(first - NIGHT_GROUND).max(axis=-1) <= 2
    assert ground.mean() < 0.6, "most of the map is bare ground: no terrain was drawn"
    _, counts = np.unique(first[~ground], axis=0, return_counts=True)
    assert counts.max() < 0.1 * counts.sum(), "one colour covers much of the terrain: it was drawn without relief"
    assert any(path.startswith("/tiles/terrain/") for path in seen.paths)

    # A moving aircraft: its position in words changes, and so does the picture, while nothing else moves.
    card = page.locator("[data-aircraft]").first
    before = card.get_attribute("data-position")
    page.wait_for_function("p => document.querySelector('[data-aircraft]').dataset.position !== p", arg=before)
    page.wait_for_timeout(1000)
    moved = (np.abs(seen.shot() - first).max(axis=-1) > 25).sum()
    assert 30 < moved < 0.5 * first[..., 0].size

    # An alert: it arrives, is acknowledged at the screen, and the acknowledgement reaches the watch.
    alert = page.locator("[data-alert=alert-2]")
    alert.wait_for()
    assert "crossed the border" in alert.inner_text()
    assert page.locator("button.alert-mark").count() == 2
    alert.locator("button.acknowledge").click()
    assert until(lambda: serving.watch.acknowledged == [("alert-2", "operator", "")])
    page.wait_for_selector("[data-alert=alert-2].done:has-text('by operator')")
    page.wait_for_function("() => document.querySelectorAll('button.alert-mark').length === 1")

    # The other language, at once and everywhere.
    page.click("button.language")
    page.wait_for_selector("html[lang=es] h2:has-text('Alertas')")
    assert "cruzó la frontera" in alert.inner_text()
    assert page.locator(".badges").inner_text().split("\n") == [
        "TERRENO ESBOZADO",
        "SIMULADO: AERONAVES · CRUCES",
    ]

    # Terrain in 3-D changes the view and breaks nothing.
    flat = seen.shot()
    page.click("button.menu")
    page.click("label:has(input[name=relief3d])")
    page.click("button.menu")
    page.wait_for_timeout(2500)
    assert (np.abs(seen.shot() - flat).max(axis=-1) > 25).mean() > 0.1

    assert seen.faults() == []
    assert seen.hosts and seen.hosts <= LOOPBACK
    page.context.close()


def test_what_the_plan_sees_is_switched_on(browser: Browser, serving: Serving) -> None:
    """The layers of the plan, the chart of the border, and who the attacker is, in both languages."""
    seen = Watched(browser)
    page = seen.page
    page.goto(serving.address)
    page.wait_for_selector("html[data-map=ready]")
    assert page.locator(".panel.border").count() == 0
    page.click("button.menu")
    page.click("label:has(input[name=freshness])")
    page.click("button.menu")
    page.wait_for_timeout(500)
    bare = seen.shot()
    page.click("button.menu")
    page.click("label:has(input[name=seen])")
    page.click("label:has(input[name=routes])")
    assert not page.locator("input[name=freshness]").is_checked()
    page.click("button.menu")
    chart = page.locator(".panel.border")
    chart.wait_for()
    parts = [
        (float(one.get_attribute("data-floor") or "nan"), float(one.get_attribute("data-attack") or "nan"))
        for one in chart.locator(".part").all()
    ]
    told = serving.watch.seen
    assert told is not None
    expected = np.array([told.floor_prob, told.attack_prob], float).T
    assert np.array(parts) == pytest.approx(expected, nan_ok=True)
    assert "sees no draw (not proven)" in chart.inner_text()
    assert told.crosser_name in chart.inner_text()
    page.wait_for_timeout(1500)
    assert "/api/seen.png" in seen.paths
    assert (np.abs(seen.shot() - bare).max(axis=-1) > 25).mean() > 0.1
    page.click("button.language")
    page.wait_for_selector(".panel.border:has-text('no el sorteo (no demostrado)')")
    assert seen.faults() == []
    assert seen.hosts <= LOOPBACK
    page.context.close()


def test_three_numbers_never_one(words: Watched, serving: Serving) -> None:
    page = words.page
    page.goto(serving.address)
    numbers = page.locator(".number")
    numbers.first.wait_for()
    assert [t.split("\n")[0] for t in numbers.all_inner_texts()] == ["≥ 41 %", "47 %", "≤ 58 %"]
    page.click("button.numbers")
    sheet = page.locator(".sheet").inner_text()
    certificate = serving.watch.strategy.certificate
    assert all(sentence in sheet for sentence in certificate.attackers.values())
    assert certificate.caveats[0] in sheet
    assert "Light vehicle: ≥ 7 %" in sheet
    page.keyboard.press("Escape")
    assert page.locator(".sheet").count() == 0


@pytest.fixture(scope="module")
def browser_without_webgl(chromium: BrowserType) -> Iterator[Browser]:
    with chromium.launch(executable_path=str(CHROMIUM), args=[*FLAGS, "--disable-3d-apis"]) as launched:
        yield launched


@pytest.fixture
def words(browser_without_webgl: Browser) -> Iterator[Watched]:
    """A page in a browser without WebGL: quick, and everything but the map is the same."""
    seen = Watched(browser_without_webgl)
    yield seen
    seen.page.context.close()


def test_without_webgl_there_are_words_and_tables(words: Watched, serving: Serving) -> None:
    page = words.page
    page.goto(serving.address)
    page.wait_for_selector("h2:has-text('no WebGL2')")
    page.wait_for_function("() => document.querySelectorAll('.in-words tbody tr').length === 5")
    text = page.locator(".in-words").inner_text()
    for aircraft in serving.watch.area.fleet.aircraft:
        assert aircraft.name in text
    assert "person-sized" in text
    page.locator("[data-alert=alert-1] button.acknowledge").click()
    assert until(lambda: [a[0] for a in serving.watch.acknowledged] == ["alert-1"])
    assert not any(text.startswith("page error") for text in words.said)
    assert words.hosts <= LOOPBACK


def test_a_lost_connection_is_said_and_comes_back(words: Watched, serving: Serving) -> None:
    page = words.page
    page.goto(serving.address)
    page.wait_for_selector("[data-aircraft]", state="attached")
    serving.stop()
    page.wait_for_selector(".old:has-text('CONNECTION LOST')")
    assert "since" in page.locator(".old").inner_text()
    serving.start()
    page.wait_for_selector(".old", state="detached", timeout=15_000)


def test_data_that_stand_still_are_called_old(words: Watched, serving: Serving) -> None:
    page = words.page
    page.goto(serving.address)
    page.wait_for_selector("[data-aircraft]", state="attached")
    frozen = serving.watch.snapshot()
    serving.watch.snapshot = lambda: frozen  # type: ignore[method-assign]
    page.wait_for_selector(".old:has-text('NO NEW DATA')", timeout=15_000)


def test_a_failed_acknowledgement_is_taken_back(words: Watched, serving: Serving) -> None:
    serving.watch.acknowledge = lambda *_: False  # type: ignore[method-assign]
    page = words.page
    page.goto(serving.address)
    page.locator("[data-alert=alert-1] button.acknowledge").click()
    page.wait_for_selector("[data-alert=alert-1].open:has-text('Not saved: There is no alert alert-1')")


def test_a_wrong_token_is_explained(words: Watched, serving: Serving) -> None:
    words.page.goto(serving.address.replace(TOKEN, "another"))
    words.page.wait_for_selector("h1:has-text('no valid session token')")
    assert "/live" not in words.paths
