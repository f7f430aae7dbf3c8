"""The server without a browser: what it serves, to whom, and how it starts and stops."""

from __future__ import annotations

import base64
import hashlib
import io
import math
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import numpy as np
import places
import pytest
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient
from live_source import DemoWatch
from msgspec.structs import replace
from PIL import Image

from kuntur.errors import BusyError, ConfigError
from kuntur.geodesy import frames, grid
from kuntur.model.place import Area
from kuntur.ops.live import LiveView
from kuntur.server import app as server
from kuntur.server import auth, features, tiles

TOKEN = "token-of-this-test"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
INDEX = '<!doctype html><script type="importmap">{"imports":{}}</script><p>page</p>'


@pytest.fixture(scope="module")
def area() -> Area:
    return places.ridge_area()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page of two files, so that these tests need no Node."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(INDEX)
    (tmp_path / "assets" / "a.mjs").write_text("export {}")
    return tmp_path


@pytest.fixture
def watch(area: Area) -> DemoWatch:
    return DemoWatch(area, head_start_s=600.0)


@pytest.fixture
def client(watch: DemoWatch, page: Path) -> TestClient:
    app = server.create_app(watch, token=TOKEN, static=page)
    return TestClient(app, base_url="http://127.0.0.1:8642", raise_server_exceptions=False)


def picture(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)))


def decode_heights(rgb: np.ndarray) -> np.ndarray:
    """Mapbox terrain-RGB, as its specification says."""
    r, g, b = (rgb[..., k].astype(float) for k in range(3))
    return -10_000.0 + (r * 65_536 + g * 256 + b) * 0.1


def tile_at(lat_deg: float, lon_deg: float, zoom: int) -> tuple[int, int]:
    n = 2**zoom
    return int((lon_deg + 180) / 360 * n), int((1 - math.asinh(math.tan(math.radians(lat_deg))) / math.pi) / 2 * n)


# --- tiles


def test_a_tile_carries_the_terrain_at_its_pixels(area: Area) -> None:
    """Against an independent projection of every pixel: spherical Mercator to WGS 84 to the local frame."""
    made = tiles.TerrainTiles(area.terrain)
    zoom = made.max_zoom
    column, row = tile_at(area.frame.lat0_deg, area.frame.lon0_deg, zoom)
    heights = decode_heights(picture(made.tile(zoom, column, row)))
    pixel = (np.arange(256) + 0.5) / 256
    lon = (column + pixel) / 2**zoom * 360 - 180
    lat = np.degrees(np.arctan(np.sinh(math.pi * (1 - 2 * (row + pixel) / 2**zoom))))
    x_m, y_m = frames.to_local(area.frame, *reversed(np.meshgrid(lon, lat)))
    true = grid.height_at(area.terrain, x_m, y_m)
    inside = ~np.isnan(true)
    assert inside.mean() > 0.3
    assert np.abs(heights - true)[inside].max() < 0.05 + 0.01 * np.abs(np.gradient(true[inside])).max()


def test_far_tiles_show_means_not_single_cells() -> None:
    """A chessboard of 4000 and 4100 m must look like 4050 m from afar."""
    rows, cols = np.indices((512, 512))
    relief = places.terrain(np.where((rows + cols) % 2, 4000.0, 4100.0), 30.0)
    made = tiles.TerrainTiles(relief)
    heights = decode_heights(picture(made.tile(9, *tile_at(relief.frame.lat0_deg, relief.frame.lon0_deg, 9))))
    assert np.abs(heights - 4050.0).max() < 1.0


@pytest.mark.parametrize("where", [(9, 0, 0), (30, 0, 0), (12, -1, 5), (7, 39, 70)])
def test_a_tile_that_is_not_there_is_none(area: Area, where: tuple[int, int, int]) -> None:
    assert tiles.TerrainTiles(area.terrain).tile(*where) is None


def test_voids_are_hidden_and_never_drawn_as_a_hole(area: Area) -> None:
    heights = area.terrain.heights_m.copy()
    heights[40:60, 50:90] = np.nan
    holed = replace(area.terrain, heights_m=heights)
    made = tiles.TerrainTiles(holed)
    zoom = made.max_zoom
    column, row = tile_at(area.frame.lat0_deg, area.frame.lon0_deg, zoom)
    assert decode_heights(picture(made.tile(zoom, column, row))).min() > np.nanmin(heights) - 1.0
    mask = tiles.void_mask(holed)
    assert mask is not None
    share = (picture(mask[0])[..., 3] > 0).mean()
    assert share == pytest.approx(20 * 40 / heights.size, rel=0.1)
    assert tiles.void_mask(area.terrain) is None


def test_freshness_colours_follow_the_legend() -> None:
    ages = np.array([[0.0, 599.0, 600.0, 3599.0, 3600.0, np.inf, np.nan]], np.float32)
    rgba = tiles.freshness_rgba(ages)[0]
    classes = [c.rgba for c in tiles.FRESHNESS_CLASSES]
    expected = [classes[0], classes[0], classes[1], classes[3], classes[4], classes[5], (0, 0, 0, 0)]
    assert [tuple(int(v) for v in pixel) for pixel in rgba] == expected


def test_a_grid_picture_puts_each_cell_in_its_place(watch: DemoWatch) -> None:
    """One marked cell comes out at its own latitude and longitude."""
    _, cells = watch.freshness()
    warp = tiles.GridPicture(watch.area.frame, cells)
    rgba = np.zeros((cells.rows, cells.cols, 4), np.uint8)
    rgba[3, 20] = 255
    drawn = picture(warp.render(rgba))[..., 3] > 0
    row, col = (float(v.mean()) + 0.5 for v in np.nonzero(drawn))
    b = warp.bounds
    lon = b.west_deg + col / drawn.shape[1] * (b.east_deg - b.west_deg)
    lat = b.north_deg + row / drawn.shape[0] * (b.south_deg - b.north_deg)
    x_m, y_m = cells.centres()
    x, y = frames.to_local(watch.area.frame, lat, lon)
    assert abs(float(x) - x_m[20]) < 0.4 * cells.cell_m
    assert abs(float(y) - y_m[3]) < 0.4 * cells.cell_m


# --- what stands still


def test_the_area_has_every_layer_and_round_kilometres(watch: DemoWatch) -> None:
    made = features.area_features(watch.area, watch.tasking)["features"]
    layers = {f["properties"]["layer"] for f in made}
    assert layers == {"border", "chainage", "country", "zone", "road", "place", "base", "sortie"}
    marks = [f for f in made if f["properties"]["layer"] == "chainage"]
    assert [m["properties"]["km"] for m in marks] == list(range(len(marks)))
    km5 = marks[5]["geometry"]["coordinates"]
    x, y = frames.to_local(watch.area.frame, km5[1], km5[0])
    assert features.lines.project(watch.area.border.xy_m, x, y)[0] == pytest.approx(5000.0, abs=0.5)


def test_our_country_is_written_on_our_side(area: Area) -> None:
    made = features.area_features(area, None)["features"]
    for label in (f for f in made if f["properties"]["layer"] == "country"):
        lon, lat = label["geometry"]["coordinates"]
        _, offset = features.lines.project(area.border.xy_m, *frames.to_local(area.frame, lat, lon))
        side = "left" if offset[0] > 0 else "right"
        assert (side == area.border.ours) == label["properties"]["ours"]


# --- who may ask


@pytest.mark.parametrize(
    "path", ["/api/area", "/api/meta", "/api/freshness.png", "/api/seen.png", "/tiles/terrain/10/315/563.png"]
)
def test_nothing_of_the_watch_is_told_without_the_token(client: TestClient, path: str) -> None:
    with client:
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.get(path, headers=BEARER).status_code in (200, 404)


def test_what_the_plan_sees_is_handed_on_as_written(client: TestClient, watch: DemoWatch) -> None:
    assert watch.seen is not None
    with client:
        meta = client.get("/api/meta", headers=BEARER).json()["seen"]
        assert meta["floor_prob"] == list(watch.seen.floor_prob) and meta["attack_prob"] == list(watch.seen.attack_prob)
        drawn = client.get("/api/area", headers=BEARER).json()["features"]
        layers = [one["properties"]["layer"] for one in drawn]
        assert layers.count("route") == layers.count("route_end") == 1
        rgba = picture(client.get("/api/seen.png", headers=BEARER).content)
        colours = {tuple(int(v) for v in pixel) for pixel in rgba.reshape(-1, 4)}
        never, *_, most = (one.rgba for one in tiles.SEEN_CLASSES)
        assert {(0, 0, 0, 0), never, most} <= colours <= {(0, 0, 0, 0), *(one.rgba for one in tiles.SEEN_CLASSES)}


def test_a_plan_with_nothing_beside_it_is_shown_without(watch: DemoWatch, page: Path) -> None:
    watch.seen = None
    with TestClient(server.create_app(watch, token=TOKEN, static=page), base_url="http://127.0.0.1:8642") as client:
        assert client.get("/api/meta", headers=BEARER).json()["seen"] is None
        assert client.get("/api/seen.png", headers=BEARER).status_code == 404


def test_seen_colours_follow_the_legend() -> None:
    rates = np.array([[0.0, 0.01, 0.5, 3.9, 4.0, 50.0, np.nan]])
    classes = [c.rgba for c in tiles.SEEN_CLASSES]
    expected = [classes[0], classes[1], classes[2], classes[4], classes[5], classes[5], (0, 0, 0, 0)]
    assert [tuple(int(v) for v in pixel) for pixel in tiles.seen_rgba(rates)[0]] == expected


@pytest.mark.parametrize("host", ["rebound.example:8642", "127.0.0.1.rebound.example", ""])
def test_a_rebound_name_is_refused(client: TestClient, host: str) -> None:
    with client:
        assert client.get("/", headers={"Host": host}).status_code == 403
        assert client.get("/api/meta", headers={"Host": host, **BEARER}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8642", "127.0.0.1:8642", "[::1]:8642", "192.168.1.7:8642"])
def test_this_machine_by_name_or_number_is_answered(client: TestClient, host: str) -> None:
    with client:
        assert client.get("/", headers={"Host": host}).status_code == 200


def test_another_site_cannot_acknowledge(client: TestClient, watch: DemoWatch) -> None:
    with client:
        foreign = client.post(
            "/api/alerts/alert-1/acknowledge", json={}, headers={**BEARER, "Origin": "http://elsewhere.example"}
        )
        assert foreign.status_code == 403
        assert client.post("/api/alerts/alert-1/acknowledge", json={}).status_code == 401
        assert watch.acknowledged == []


def test_an_acknowledgement_arrives_with_the_servers_actor(client: TestClient, watch: DemoWatch) -> None:
    with client:
        headers = {**BEARER, "Origin": "http://127.0.0.1:8642"}
        done = client.post("/api/alerts/alert-1/acknowledge", json={"note": "seen"}, headers=headers)
        assert done.json() == {"alert_id": "alert-1", "acknowledged": True}
        assert watch.acknowledged == [("alert-1", "operator", "seen")]
        assert client.post("/api/alerts/none/acknowledge", json={}, headers=headers).status_code == 404
        too_long = client.post("/api/alerts/alert-1/acknowledge", json={"note": "x" * 501}, headers=headers)
        assert too_long.status_code == 400


def test_the_live_socket_needs_the_token_and_sends_views(client: TestClient) -> None:
    with client:
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live", [auth.PROTOCOL, "wrong"]) as socket:
            socket.receive_text()
        with client.websocket_connect("/live", [auth.PROTOCOL, TOKEN]) as socket:
            first, second = (msgspec.json.decode(socket.receive_text(), type=LiveView) for _ in range(2))
    assert second.t_ns > first.t_ns
    assert [a.kind for a in first.aircraft] == ["fixed_wing", "multirotor", "multirotor"]


# --- the page's files


def test_every_answer_forbids_the_outside(client: TestClient) -> None:
    with client:
        for path in ("/", "/assets/a.mjs", "/api/meta", "/nothing"):
            headers = client.get(path).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "http" not in policy
            assert re.findall(r"[^\s;]*://[^\s;]*", policy) == ["ws://127.0.0.1:8642"]
            assert headers["x-content-type-options"] == "nosniff"
    digest = base64.b64encode(hashlib.sha256(b'{"imports":{}}').digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}'" in policy


def test_files_are_cached_by_their_content(client: TestClient) -> None:
    with client:
        index, asset = client.get("/"), client.get("/assets/a.mjs")
        assert index.headers["cache-control"] == "no-cache"
        assert "immutable" in asset.headers["cache-control"]
        assert asset.headers["content-type"].startswith("text/javascript")
        again = client.get("/", headers={"If-None-Match": index.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.head("/").status_code == 200
        assert client.get("/api/meta", headers=BEARER).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/../server/app.py", "/%2e%2e/app.py", "/assets/../../app.py", "/assets"])
def test_no_path_reaches_the_disk(client: TestClient, path: str) -> None:
    with client:
        assert client.get(path).status_code == 404


def test_the_api_describes_itself_without_outside_scripts(client: TestClient) -> None:
    with client:
        described = client.get("/schema/openapi.json").json()
        assert "/api/alerts/{alert_id}/acknowledge" in described["paths"]
        assert "<script" not in client.get("/schema").text


def test_a_build_without_the_page_fails_at_the_start(watch: DemoWatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="make page"):
        server.create_app(watch, token=TOKEN, static=tmp_path)


# --- start and stop


def test_a_busy_port_names_a_free_one() -> None:
    with server.open_socket(port=0) as first:
        port = first.getsockname()[1]
        with pytest.raises(BusyError, match=f"Port {port}") as caught:
            server.open_socket(port=port)
        advised = re.search(r"--port (\d+)", caught.value.remedy)
        assert advised
        with server.open_socket(port=int(advised.group(1))):
            pass


def test_the_address_hides_its_token_behind_the_hash() -> None:
    with server.open_socket(port=0) as listening:
        shown = server.address(listening, "abc")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#token=abc", shown)
    assert len(server.new_token()) >= 32
    assert server.new_token() != server.new_token()


STOPPING = """
    import asyncio, sys
    sys.path[:0] = {paths!r}
    import places
    from live_source import DemoWatch
    from pathlib import Path
    from kuntur.server import app

    class Flying(DemoWatch):
        async def run(self):
            try:
                {body}
            finally:
                await asyncio.sleep(0.1)
                print("landed", flush=True)

    app.create_app.__kwdefaults__["static"] = Path({page!r})
    app.run(Flying(places.ridge_area()), app.open_socket(port=0), announce=lambda s: print(s, flush=True))
    print("ended", flush=True)
"""


def start(page: Path, body: str) -> subprocess.Popen[str]:
    here = Path(__file__).parent
    code = textwrap.dedent(STOPPING).format(paths=[str(here), str(here.parent)], page=str(page), body=body)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_lands_everything_even_with_a_screen_open(page: Path, number: signal.Signals) -> None:
    from websockets.sync.client import connect

    process = start(page, "await asyncio.Event().wait()")
    try:
        found = re.search(r"http://127\.0\.0\.1:(\d+)/#token=([\w-]+)", process.stdout.readline())
        assert found
        port, token = found.groups()
        with connect(f"ws://127.0.0.1:{port}/live", subprotocols=[auth.PROTOCOL, token]) as screen:
            assert '"aircraft"' in screen.recv(timeout=20)
            process.send_signal(number)
            out, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert out.split() == ["landed", "ended"]
    assert process.returncode == 0
    assert err == ""
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", int(port)))


def test_a_failing_watch_stops_the_server_with_its_error(page: Path) -> None:
    process = start(page, "raise RuntimeError('engine out')")
    try:
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert "landed" in out
    assert "ended" not in out
    assert "engine out" in err
    assert process.returncode != 0
