"""Fetching terrain tiles from a real HTTP server on loopback: resumed, retried, checked, kept."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import rasterio
import small_area
from rasterio.shutil import copy as copy_raster
from rasterio.transform import Affine

from kuntur.errors import LinkError, TerrainError
from kuntur.io import area as area_io
from kuntur.io import tiles
from kuntur.ops import area as area_ops

NAME = "Copernicus_DSM_COG_10_S11_00_W071_00_DEM"


def tile_bytes(folder: Path, south: int, west: int, value: float = 2500.0) -> bytes:
    """A coarse tile in the place and the format of a real one: a cloud-optimised GeoTIFF of one degree."""
    size = 240
    step = 1.0 / size
    plain, path = folder / "plain.tif", folder / "cog.tif"
    rng = np.random.default_rng(abs(south * 1000 + west))
    values = (value + rng.uniform(0, 50, (size, size))).astype(np.float32)
    with rasterio.open(
        plain, "w", driver="GTiff", height=size, width=size, count=1, dtype="float32", crs="EPSG:4326",
        transform=Affine(step, 0, west - step / 2, 0, -step, south + 1 + step / 2),
    ) as file:  # fmt: skip
        file.write(values, 1)
    with rasterio.open(plain) as source:
        copy_raster(source, path, driver="COG")
    return path.read_bytes()


class Service:
    """What the server serves and how it misbehaves."""

    address = ""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.drop_after: list[int] = []  # send so many bytes of the body, then hang up; one a request
        self.fail_with: list[int] = []  # answer so; one a request
        self.ranges = True
        self.announce_md5: str | None = None
        self.etag_suffix = ""


@pytest.fixture
def service() -> Iterator[Service]:
    state = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.requests.append((self.path, wanted))
            if state.fail_with:
                self.send_error(state.fail_with.pop(0))
                return
            body = state.files.get(self.path)
            if body is None:
                self.send_error(404)
                return
            etag = f'"{state.announce_md5 or hashlib.md5(body).hexdigest()}{state.etag_suffix}"'
            start = 0
            if wanted and state.ranges and self.headers.get("If-Range") in (None, etag):
                start = int(re.fullmatch(r"bytes=(\d+)-", wanted).group(1))
                if start >= len(body):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            if state.drop_after:
                self.wfile.write(body[start : start + state.drop_after.pop(0)])
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
                return
            self.wfile.write(body[start:])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def body(service: Service, tmp_path: Path) -> bytes:
    content = tile_bytes(tmp_path, -11, -71)
    service.files[f"/{NAME}/{NAME}.tif"] = content
    return content


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "tiles"


def no_sleep(seconds: float) -> None:
    assert seconds > 0.0


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if ".part" in p.name)


def test_names_of_an_extent() -> None:
    assert tiles.names(-18.5, -69.2, -18.1, -68.8) == [
        "Copernicus_DSM_COG_10_S19_00_W070_00_DEM",
        "Copernicus_DSM_COG_10_S19_00_W069_00_DEM",
    ]
    assert len(tiles.names(-18.5, -69.2, -18.0, -68.8)) == 4, "an extent that ends on a degree needs the next tile too"
    assert [n[22:-4] for n in tiles.names(0.2, 179.5, 0.4, -179.5)] == ["N00_00_E179_00", "N00_00_W180_00"]
    assert [n[22:-4] for n in tiles.names(46.6, 9.7, 46.7, 9.8)] == ["N46_00_E009_00"]


def test_a_tile_is_fetched_once(service: Service, body: bytes, store: Path) -> None:
    seen: list[tuple[float, str]] = []
    (path,) = tiles.fetch([NAME], service.address, store, lambda f, w: seen.append((f, w)))
    assert path.read_bytes() == body
    entry = tiles.manifest(store).tiles[NAME]
    assert (entry.bytes, entry.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert seen[-1][0] == 1.0
    assert [f for f, _ in seen] == sorted(f for f, _ in seen)
    tiles.fetch([NAME], service.address + "/", store)
    assert len(service.requests) == 1
    assert leftovers(store) == []


def test_a_changed_file_on_disk_is_fetched_again(service: Service, body: bytes, store: Path) -> None:
    (path,) = tiles.fetch([NAME], service.address, store)
    path.write_bytes(body[:-10] + b"0123456789")
    tiles.fetch([NAME], service.address, store)
    assert path.read_bytes() == body


def test_a_broken_connection_is_resumed_where_it_stopped(service: Service, body: bytes, store: Path) -> None:
    service.drop_after = [1000, 70_000]
    (path,) = tiles.fetch([NAME], service.address, store, sleep=no_sleep)
    assert path.read_bytes() == body
    assert [wanted for _, wanted in service.requests] == [None, "bytes=1000-", "bytes=71000-"]


def test_it_goes_on_in_a_later_run(service: Service, body: bytes, store: Path) -> None:
    class StopError(Exception):
        pass

    def stop(_: float) -> None:
        raise StopError

    service.drop_after = [5000]
    with pytest.raises(StopError):
        tiles.fetch([NAME], service.address, store, sleep=stop)
    assert not (store / f"{NAME}.tif").exists()
    (path,) = tiles.fetch([NAME], service.address, store)
    assert path.read_bytes() == body
    assert service.requests[-1][1] == "bytes=5000-"


def test_a_file_that_changed_is_fetched_whole(service: Service, store: Path, tmp_path: Path, body: bytes) -> None:
    def change(_: float) -> None:
        service.files[f"/{NAME}/{NAME}.tif"] = tile_bytes(tmp_path, -11, -71, value=3000.0)

    service.drop_after = [5000]
    (path,) = tiles.fetch([NAME], service.address, store, sleep=change)
    assert path.read_bytes() == service.files[f"/{NAME}/{NAME}.tif"] != body


def test_a_server_without_ranges(service: Service, body: bytes, store: Path) -> None:
    service.ranges = False
    service.drop_after = [5000]
    (path,) = tiles.fetch([NAME], service.address, store, sleep=no_sleep)
    assert path.read_bytes() == body


def test_a_busy_server_is_asked_again(service: Service, body: bytes, store: Path) -> None:
    service.fail_with = [503, 500, 429]
    (path,) = tiles.fetch([NAME], service.address, store, sleep=no_sleep)
    assert path.read_bytes() == body


def test_a_dead_server_ends_in_one_message(store: Path, service: Service, body: bytes) -> None:
    service.fail_with = [503] * 50
    waits: list[float] = []
    with pytest.raises(LinkError, match=r"could not be fetched after 6 attempts: .*503.*goes on where it stopped"):
        tiles.fetch([NAME], service.address, store, sleep=waits.append)
    assert len(waits) == tiles.ATTEMPTS - 1
    assert waits == sorted(waits)
    with pytest.raises(LinkError, match="could not be fetched"):
        tiles.fetch([NAME], "http://127.0.0.1:9", store, sleep=no_sleep)


def test_a_refusal_is_not_repeated(service: Service, body: bytes, store: Path) -> None:
    service.fail_with = [403]
    with pytest.raises(LinkError, match="403"):
        tiles.fetch([NAME], service.address, store, sleep=no_sleep)
    assert len(service.requests) == 1


@pytest.mark.parametrize("content", [b"<html>Sign in to the wireless network</html>", b"II*\0" + b"\0" * 500])
def test_wrong_content_is_refused(service: Service, store: Path, content: bytes) -> None:
    service.files[f"/{NAME}/{NAME}.tif"] = content
    with pytest.raises(TerrainError, match="no terrain file"):
        tiles.fetch([NAME], service.address, store)
    assert list(store.iterdir()) == []


def test_a_truncated_tile_is_refused(service: Service, body: bytes, store: Path) -> None:
    """The whole of what the server has, with its right checksum: only opening it tells."""
    service.files[f"/{NAME}/{NAME}.tif"] = body[: len(body) // 2]
    with pytest.raises(TerrainError, match="no terrain file"):
        tiles.fetch([NAME], service.address, store)


def test_a_tile_of_another_place_is_refused(service: Service, store: Path, tmp_path: Path) -> None:
    service.files[f"/{NAME}/{NAME}.tif"] = tile_bytes(tmp_path, -12, -71)
    with pytest.raises(TerrainError, match="lies elsewhere"):
        tiles.fetch([NAME], service.address, store)


def test_a_checksum_that_does_not_fit(service: Service, body: bytes, store: Path) -> None:
    service.announce_md5 = "0" * 32
    with pytest.raises(TerrainError, match="MD5"):
        tiles.fetch([NAME], service.address, store)
    assert leftovers(store) == []
    service.etag_suffix = "-3"  # an ETag of a file uploaded in parts is no MD5
    assert tiles.fetch([NAME], service.address, store)[0].read_bytes() == body


def test_sea_has_no_tile(service: Service, body: bytes, store: Path) -> None:
    sea = "Copernicus_DSM_COG_10_S11_00_W072_00_DEM"
    assert [p.stem for p in tiles.fetch([NAME, sea], service.address, store)] == [NAME]
    assert tiles.manifest(store).tiles[sea].sea
    assert [p.stem for p in tiles.kept(store, [NAME, sea]) or []] == [NAME]
    assert tiles.kept(store, [NAME, "Copernicus_DSM_COG_10_S11_00_W073_00_DEM"]) is None
    count = len(service.requests)
    tiles.fetch([NAME, sea], service.address, store)
    assert len(service.requests) == count, "known sea is not asked for again"


def test_an_address_with_nothing_is_an_error(service: Service, store: Path) -> None:
    with pytest.raises(TerrainError, match="has none of the 1 tiles"):
        tiles.fetch([NAME], service.address, store)
    assert tiles.kept(store, [NAME]) is None, "a wrong address must not turn the area into sea"


def test_an_area_uses_what_was_fetched(
    service: Service, body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From `kuntur area fetch` to the terrain, with the address from the settings and no further word."""
    monkeypatch.setenv("KUNTUR_CACHE_FOLDER", str(tmp_path / "cache"))
    monkeypatch.setenv("KUNTUR_TILE_ADDRESS", service.address)
    for south, west, name in ((-10, -71, "S10_00_W071"), (-11, -70, "S11_00_W070"), (-10, -70, "S10_00_W070")):
        full = f"Copernicus_DSM_COG_10_{name}_00_DEM"
        service.files[f"/{full}/{full}.tif"] = tile_bytes(tmp_path, south, west)
    toml = small_area.write(tmp_path / "area", ('sources = ["survey.tif"]', ""), ('vertical_datum = "EGM96"', ""))
    with pytest.raises(TerrainError, match="comes without terrain"):
        area_io.load(toml)
    paths = area_ops.fetch_tiles(toml)
    assert len(paths) == 4
    area = area_io.load(toml)
    assert area.terrain.vertical_datum == "EGM2008"
    assert not np.isnan(area.terrain.heights_m).any(), "no seam where four tiles meet"
    assert {p.name for p in paths} < set(area.input_hashes)
    assert "EGM2008" in " ".join(area_ops.check(area).notes)
