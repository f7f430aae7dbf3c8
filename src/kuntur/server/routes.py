"""What the page asks for: files, tiles, the area, and the acknowledgement of an alert."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path
from typing import Annotated, Any, Final

from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler, route
from litestar.params import FromPath, JSONBody, PathParameter
from msgspec import Meta as Limits
from msgspec import Struct

from kuntur.errors import ConfigError
from kuntur.ops.live import LiveWatch
from kuntur.server import features, tiles

IMMUTABLE: Final = "public, max-age=31536000, immutable"  # Vite puts a hash of the content into these names
MEDIA_TYPES: Final = {".mjs": "text/javascript", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Note(Struct, frozen=True, kw_only=True):
    note: Annotated[str, Limits(max_length=500)] = ""


class Acknowledged(Struct, frozen=True, kw_only=True):
    alert_id: str
    acknowledged: bool


class PageFile(Struct, frozen=True, kw_only=True):
    body: bytes
    media_type: str
    etag: str
    cache_control: str


def load_page(folder: Path) -> dict[str, PageFile]:
    """Every file of the built page, by its path. Raises ConfigError when the page was not built."""
    if not (folder / "index.html").is_file():
        raise ConfigError(
            f"The map page is not built: {folder.name}/index.html is missing.",
            remedy="Run `make page` (needs Node 20), or install the wheel, which carries the page.",
        )
    page = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        body = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        kind = MEDIA_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        page[name] = PageFile(
            body=body,
            media_type=f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
            etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
            cache_control=IMMUTABLE if name.startswith("assets/") else "no-cache",
        )
    return page


def _cached(request: Request[Any, Any, State], body: bytes, media_type: str, etag: str, cache: str) -> Response[bytes]:
    headers = {"etag": etag, "cache-control": cache}
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _page_file(request: Request[Any, Any, State], name: str) -> Response[bytes]:
    """One file of the page, from memory: no path of a request ever reaches the disk."""
    file: PageFile | None = request.app.state.page.get(name)
    if file is None:
        raise NotFoundException("There is no such page.")
    return _cached(request, file.body, file.media_type, file.etag, file.cache_control)


@route("/", http_method=["GET", "HEAD"], include_in_schema=False, sync_to_thread=False)
def index(request: Request[Any, Any, State]) -> Response[bytes]:
    return _page_file(request, "index.html")


@route("/{name:path}", http_method=["GET", "HEAD"], include_in_schema=False, sync_to_thread=False)
def page_file(request: Request[Any, Any, State], name: FromPath[str]) -> Response[bytes]:
    return _page_file(request, name.lstrip("/"))


@get("/tiles/terrain/{zoom:int}/{column:int}/{name:str}", sync_to_thread=True)
def terrain_tile(
    request: Request[Any, Any, State], zoom: FromPath[int], column: FromPath[int], name: FromPath[str]
) -> Response[bytes]:
    """Heights as Mapbox terrain-RGB; name: the row, with ".png"."""
    row, _, suffix = name.partition(".")
    served = suffix == "png" and row.isascii() and row.isdigit() and len(row) < 9
    body = request.app.state.tiles.tile(zoom, column, int(row)) if served else None
    if body is None:
        raise NotFoundException("The terrain does not reach there.")
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return _cached(request, body, "image/png", etag, "private, no-cache")


@get("/api/area", sync_to_thread=False)
def area(state: State) -> dict[str, Any]:
    """The area as GeoJSON: what stands still on the map."""
    watch: LiveWatch = state.watch
    return features.area_features(watch.area, watch.tasking, watch.seen)


@get("/api/meta", sync_to_thread=False)
def meta(state: State) -> features.Meta:
    """Title, attributions, terrain, legend and the plan's certificate."""
    watch: LiveWatch = state.watch
    return features.meta(
        watch.area,
        state.tiles,
        voids=state.voids[1] if state.voids else None,
        freshness=_freshness_picture(state).bounds,
        certificate=watch.strategy.certificate if watch.strategy else None,
        simulated=watch.strategy.simulated if watch.strategy else (),
        seen=features.seen_facts(watch.seen, state.seen[1]) if watch.seen else None,
    )


def _freshness_picture(state: State) -> tiles.GridPicture:
    """The warp of the freshness lattice, kept until the lattice changes."""
    _, cells = state.watch.live.freshness()
    if state.freshness_picture is None or state.freshness_picture.cells != cells:
        state.freshness_picture = tiles.GridPicture(state.watch.area.frame, cells)
    return state.freshness_picture  # type: ignore[no-any-return]


@get("/api/freshness.png", sync_to_thread=False)
def freshness(state: State) -> Response[bytes]:
    """ "Time since last look" as a picture over `Meta.freshness`."""
    age_s, _ = state.watch.live.freshness()
    body = _freshness_picture(state).render(tiles.freshness_rgba(age_s))
    return Response(body, media_type="image/png")


@get("/api/seen.png", sync_to_thread=False)
def seen(state: State) -> Response[bytes]:
    """What the plan sees, over `Meta.seen.bounds`."""
    if state.seen is None:
        raise NotFoundException("Nothing is written beside this plan of what it sees.")
    return Response(state.seen[0], media_type="image/png")


@get("/api/voids.png", sync_to_thread=False)
def voids(state: State) -> Response[bytes]:
    """Where the terrain is unknown, over `Meta.terrain.voids`."""
    if state.voids is None:
        raise NotFoundException("This terrain has no voids.")
    return Response(state.voids[0], media_type="image/png")


@post("/api/alerts/{alert_id:str}/acknowledge", status_code=200, sync_to_thread=False)
def acknowledge(
    state: State, data: JSONBody[Note], alert_id: Annotated[str, PathParameter(max_length=200)]
) -> Acknowledged:
    """Write down that the person at this screen has seen to the alert."""
    if not state.watch.live.acknowledge(alert_id, state.actor, data.note):
        raise NotFoundException(f"There is no alert {alert_id}.")
    return Acknowledged(alert_id=alert_id, acknowledged=True)


GUARDED: Final[list[HTTPRouteHandler]] = [area, meta, freshness, seen, voids, acknowledge, terrain_tile]
