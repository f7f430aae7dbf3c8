"""Copernicus DEM GLO-30 tiles over HTTP: resumed, retried, checked, kept, and put in place whole or not at all.

One tile is one degree: Copernicus_DSM_COG_10_<S19>_00_<W070>_00_DEM, named by its south-west corner (Copernicus DEM
Product Handbook). There is no tile where there is only sea.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path

import msgspec
import rasterio
from msgspec import Struct

from kuntur.errors import ConfigError, LinkError, TerrainError

Progress = Callable[[float, str], None]

ATTEMPTS = 6  # in a row without a new byte
TIMEOUT_S = 30.0
_CHUNK = 1 << 18
_MD5_ETAG = re.compile(r'^"?([0-9a-f]{32})"?$')  # S3 gives the MD5 as ETag for files not uploaded in parts


class Tile(Struct, frozen=True, kw_only=True):
    """One tile as it was fetched. A sea tile has no file: the service has none where there is no land."""

    name: str
    sea: bool
    address: str
    bytes: int = 0
    sha256: str = ""
    etag: str = ""


class Manifest(Struct, frozen=True, kw_only=True):
    """What lies in a tile folder, by tile name."""

    tiles: dict[str, Tile] = {}


def names(south_deg: float, west_deg: float, north_deg: float, east_deg: float) -> list[str]:
    """Tiles that cover an extent (west_deg > east_deg crosses the antimeridian), south to north, west to east."""
    # A tile's posts start half a post off the degree: an extent that ends on the degree needs its neighbour too.
    edge = 1.0 / 3600.0
    width = (east_deg - west_deg) % 360.0
    rows = range(math.floor(south_deg - edge), math.floor(north_deg + edge) + 1)
    columns = range(math.floor(west_deg - edge), math.floor(west_deg + width + edge) + 1)
    return [_name(lat, (lon + 180) % 360 - 180) for lat in rows if -90 <= lat < 90 for lon in columns]


def _name(lat: int, lon: int) -> str:
    ns, ew = ("N" if lat >= 0 else "S"), ("E" if lon >= 0 else "W")
    return f"Copernicus_DSM_COG_10_{ns}{abs(lat):02d}_00_{ew}{abs(lon):03d}_00_DEM"


def manifest(folder: Path) -> Manifest:
    """What was fetched into `folder`; empty when nothing was, or when its manifest is damaged."""
    try:
        return msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        return Manifest()


def kept(folder: Path, wanted: list[str]) -> list[Path] | None:
    """The files of the wanted tiles when all of them were fetched (sea tiles have none); None when one is not here."""
    here = manifest(folder).tiles
    if not all(name in here and (here[name].sea or _file(folder, name).is_file()) for name in wanted):
        return None
    return [_file(folder, name) for name in wanted if not here[name].sea]


def fetch(
    wanted: list[str],
    address: str,
    folder: Path,
    progress: Progress = lambda fraction, words: None,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Path]:
    """Bring the wanted tiles into `folder` and return their files. What is there and whole is not fetched again.

    Raises LinkError when the service cannot be reached, TerrainError when it serves something that is no such tile,
    ConfigError when the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The folder {folder} cannot be made: {error}.", remedy="Give another folder.") from error
    here = dict(manifest(folder).tiles)
    for number, name in enumerate(wanted):

        def report(share: float, words: str, number: int = number, name: str = name) -> None:
            progress((number + share) / len(wanted), f"{name[22:-4]} {words}")

        if name in here and _whole(folder, here[name]):
            report(1.0, "is here")
            continue
        here[name] = _fetch_one(name, address.rstrip("/"), folder, report, sleep)
        if not here[name].sea:
            _write_manifest(folder, here)
    if all(here[name].sea for name in wanted):  # more likely a wrong address than an area of sea: not written down
        raise TerrainError(
            f"{address} has none of the {len(wanted)} tiles of this area (first: {wanted[0]}).",
            remedy="Check the address (tile_address in kuntur.toml) and the extent of the area.",
        )
    _write_manifest(folder, here)
    return [_file(folder, name) for name in wanted if not here[name].sea]


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.tif"


def _whole(folder: Path, tile: Tile) -> bool:
    if tile.sea:
        return True
    path = _file(folder, tile.name)
    return path.is_file() and path.stat().st_size == tile.bytes and _digest(path, "sha256") == tile.sha256


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _write_manifest(folder: Path, here: dict[str, Tile]) -> None:
    partial = folder / "manifest.json.part"
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(Manifest(tiles=here)), indent=1))
    partial.replace(folder / "manifest.json")


def _fetch_one(name: str, address: str, folder: Path, report: Progress, sleep: Callable[[float], None]) -> Tile:
    url = f"{address}/{name}/{name}.tif"
    part, note = folder / f"{name}.tif.part", folder / f"{name}.tif.part.json"
    failures = 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            total, etag = _download(url, part, note, report)
        except FileNotFoundError:
            report(1.0, "is sea: there is no such tile")
            return Tile(name=name, sea=True, address=url)
        except _RefusedError as error:
            raise LinkError(
                f"{url} answers {error}.", remedy="Check the address (tile_address in kuntur.toml) and your access."
            ) from error
        except (OSError, HTTPException) as error:
            gained = part.is_file() and part.stat().st_size > before
            failures = 1 if gained else failures + 1
            if failures >= ATTEMPTS:
                raise LinkError(
                    f"{url} could not be fetched after {ATTEMPTS} attempts: {error}.",
                    remedy="Check the connection and run the same command again; it goes on where it stopped.",
                ) from error
            wait_s = min(30.0, 0.5 * 2.0**failures)
            report(0.0, f"interrupted ({error}), again in {wait_s:.0f} s")
            sleep(wait_s)
            continue
        try:
            sha256 = _check(part, name, total, etag)
        except TerrainError:
            part.unlink(missing_ok=True)
            note.unlink(missing_ok=True)
            raise
        part.replace(_file(folder, name))
        note.unlink(missing_ok=True)
        report(1.0, "fetched")
        return Tile(name=name, sea=False, address=url, bytes=total, sha256=sha256, etag=etag)


class _RefusedError(Exception):
    """The service answered, and the answer will not change by asking again."""


def _download(url: str, part: Path, note: Path, report: Progress) -> tuple[int, str]:
    """Append what is missing to `part`; returns total size and ETag. FileNotFoundError when there is no such file."""
    start, etag = _resume_point(part, note)
    headers = {"User-Agent": "kuntur"} | ({"Range": f"bytes={start}-", "If-Range": etag} if start else {})
    try:
        response: HTTPResponse = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise FileNotFoundError(url) from error
        if error.code == 416:  # the file changed, or is already whole: begin anew
            part.unlink(missing_ok=True)
        elif error.code < 500 and error.code not in (408, 429):
            raise _RefusedError(f"{error.code} {error.reason}") from error
        raise OSError(f"the service answers {error.code} {error.reason}") from error
    with response:
        etag = response.headers.get("ETag", "")
        length = response.headers.get("Content-Length")
        if response.status != 206:
            start = 0
        total = start + int(length) if length is not None else -1
        if start == 0:
            note.write_text(json.dumps({"etag": etag, "total": total}), encoding="utf-8")
        done = start
        with part.open("ab" if start else "wb") as file:
            while block := response.read(_CHUNK):
                file.write(block)
                done += len(block)
                report(done / total if total > 0 else 0.0, f"{done / 1e6:.1f} MB")
    if total >= 0 and done < total:
        raise OSError(f"the connection broke after {done} of {total} bytes")
    return done, etag


def _resume_point(part: Path, note: Path) -> tuple[int, str]:
    """How much of the file is here and under which ETag; 0 when it cannot be told to be the same file."""
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        size = part.stat().st_size
    except (OSError, ValueError):
        return 0, ""
    etag = str(told.get("etag", ""))
    strong = etag and not etag.startswith("W/")
    return (size, etag) if strong and 0 < size < int(told.get("total", -1)) else (0, "")


def _check(part: Path, name: str, total: int, etag: str) -> str:
    """SHA-256 of a finished download; TerrainError when it is not the tile it should be."""
    if part.stat().st_size != total:
        raise TerrainError(f"{name}: {part.stat().st_size} bytes arrived instead of {total}.", remedy="Fetch it again.")
    told = _MD5_ETAG.match(etag)
    if told and _digest(part, "md5") != told.group(1):
        raise TerrainError(
            f"{name} was damaged on its way (its MD5 is not the one announced).", remedy="Fetch it again."
        )
    try:
        with rasterio.open(part) as file:
            bounds = file.bounds
            file.read(1, window=rasterio.windows.Window(file.width - 1, file.height - 1, 1, 1))
    except rasterio.errors.RasterioError as error:
        raise TerrainError(
            f"What arrived as {name} is no terrain file ({error}).", remedy="Check the address (tile_address)."
        ) from error
    ns, lat, ew, lon = re.search(r"_([NS])(\d\d)_00_([EW])(\d\d\d)_00_", name).groups()  # type: ignore[union-attr]
    south, west = (int(lat) if ns == "N" else -int(lat)), (int(lon) if ew == "E" else -int(lon))
    if max(abs(bounds.bottom - south), abs(bounds.left - west), abs(bounds.top - south - 1)) > 0.01:
        raise TerrainError(
            f"What arrived as {name} lies elsewhere ({bounds.bottom:.2f} N, {bounds.left:.2f} E).",
            remedy="Check the address (tile_address).",
        )
    return _digest(part, "sha256")
