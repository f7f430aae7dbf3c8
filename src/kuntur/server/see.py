"""The page of `kuntur see --open`: the same map, on which a person moves the eye or draws a route."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from socket import socket
from typing import Annotated, Any, Final

from litestar import Litestar, Response, Router, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler, route
from litestar.params import JSONBody
from msgspec import Meta as Limits
from msgspec import Struct

from kuntur.errors import KunturError
from kuntur.ops import see, see_page
from kuntur.ops.see_view import View
from kuntur.server.app import address, explain, open_socket, serve
from kuntur.server.auth import Door, new_token, require_token

__all__ = ["create_app", "open_socket", "run"]

MOST_POINTS: Final = 1000
Point = tuple[Annotated[float, Limits(ge=-90.0, le=90.0)], Annotated[float, Limits(ge=-180.0, le=180.0)]]


class Wish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One point, or a route of several: latitude, longitude."""

    points: Annotated[list[Point], Limits(min_length=1, max_length=MOST_POINTS)]
    height_agl_m: Annotated[float, Limits(gt=0.0, le=20_000.0)]
    max_range_m: Annotated[float, Limits(gt=0.0, le=200_000.0)]


@route("/", http_method=["GET", "HEAD"], include_in_schema=False, sync_to_thread=False)
def index() -> Response[str]:
    return Response(see_page.served(), media_type="text/html; charset=utf-8")


@get("/api/view", sync_to_thread=True)
def first(state: State) -> dict[str, Any]:
    """The picture that the command made."""
    return see_page.payload(state.view)


@post("/api/look", status_code=200, sync_to_thread=True)
def look(state: State, data: JSONBody[Wish]) -> dict[str, Any]:
    """The picture from another point, or along a drawn route, on the same ground with the same camera."""
    with state.busy:  # one at a time: each takes all cores
        return see_page.payload(see.again(state.view, data.points, data.height_agl_m, data.max_range_m))


GUARDED: Final[list[HTTPRouteHandler]] = [first, look]


def create_app(view: View, *, token: str) -> Litestar:
    """The application round a finished picture."""
    guarded = Router("/", route_handlers=[*GUARDED], guards=[require_token])
    return Litestar(
        route_handlers=[index, guarded],
        state=State({"view": view, "token": token, "busy": threading.Lock()}),
        middleware=[partial(Door, policy=see_page.policy("'self'"))],
        exception_handlers={KunturError: explain},
        openapi_config=None,
        debug=False,
    )


def run(view: View, listening: socket, *, announce: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; announce: where to print the address."""
    token = new_token()
    with listening:
        announce(f"Map: {address(listening, token)}   Ctrl-C ends it.")
        asyncio.run(serve(create_app(view, token=token), listening))
