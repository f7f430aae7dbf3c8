"""The server: put together, opened, run and stopped."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import uvicorn
from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from kuntur.errors import BusyError, KunturError
from kuntur.ops.live import LiveWatch
from kuntur.server import routes, tiles
from kuntur.server.auth import Door, new_token, page_policy, require_token
from kuntur.server.live import LiveFeed, live_socket

STATIC: Final = Path(__file__).parent / "static"
PORTS_TRIED: Final = 20


def explain(_: Request[Any, Any, State], error: KunturError) -> Response[dict[str, str]]:
    """A KunturError as the page reads it."""
    return Response({"detail": error.message, "remedy": error.remedy}, status_code=409)


def check_page(static: Path = STATIC) -> None:
    """Raise ConfigError when the page was not built: call it before long work that ends in showing it."""
    routes.load_page(static)


def create_app(watch: LiveWatch, *, token: str, actor: str = "operator", static: Path = STATIC) -> Litestar:
    """The application that shows `watch`. actor: who acknowledges at this screen. Raises ConfigError without a page."""
    page = routes.load_page(static)
    policy = page_policy(page["index.html"].body.decode())
    state = State(
        {
            "watch": watch,
            "token": token,
            "actor": actor,
            "page": page,
            "feed": LiveFeed(watch.live),
            "tiles": tiles.TerrainTiles(watch.area.terrain),
            "voids": tiles.void_mask(watch.area.terrain),
            "freshness_picture": None,
            "seen": _seen_picture(watch),
        }
    )
    guarded = Router("/", route_handlers=[*routes.GUARDED], guards=[require_token])
    return Litestar(
        route_handlers=[guarded, routes.index, routes.page_file, live_socket],
        state=state,
        middleware=[partial(Door, policy=policy)],
        exception_handlers={KunturError: explain},
        openapi_config=OpenAPIConfig(
            title="Kuntur", version=version("kuntur"), path="/schema", render_plugins=[JsonRenderPlugin()]
        ),
        debug=False,
    )


def _seen_picture(watch: LiveWatch) -> tuple[bytes, tiles.Bounds] | None:
    """What the plan sees as a picture and where it lies, once: it does not change while the watch runs."""
    if watch.seen is None:
        return None
    picture = tiles.GridPicture(watch.area.frame, watch.seen.cells)
    return picture.render(tiles.seen_rgba(watch.seen.rates())), picture.bounds


def open_socket(host: str = "127.0.0.1", port: int = 8642) -> socket.socket:
    """Take the port before anything is launched. Raises BusyError that names the next free one; port 0 takes any."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(64)
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            free = _next_free(host, port)
            advice = f"use --port {free}, which is free." if free else "name another with --port."
            raise BusyError(
                f"Port {port} on {host} is in use by another program.",
                remedy=f"Stop that program (perhaps another kuntur), or {advice}",
            ) from error
        raise BusyError(
            f"Cannot listen on {host} port {port}: {error.strerror}.",
            remedy="Use --host 127.0.0.1 and a --port above 1023.",
        ) from error
    return taken


def _next_free(host: str, port: int) -> int | None:
    for candidate in range(port + 1, min(port + 1 + PORTS_TRIED, 65_536)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return candidate
    return None


def address(listening: socket.socket, token: str) -> str:
    """The address to open; the token stands behind the `#`, where no server or log sees it."""
    host, port = listening.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/#token={token}"


class _Server(uvicorn.Server):
    """uvicorn that takes Ctrl-C as an ordinary request to stop, instead of raising it again when it has stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop, taken = asyncio.get_running_loop(), []
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError, RuntimeError, NotImplementedError):  # not the main thread: its owner stops us
                loop.add_signal_handler(number, self.stop)
                taken.append(number)
        try:
            yield
        finally:
            for number in taken:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        self.should_exit = True


async def serve(app: Litestar, listening: socket.socket, beside: Coroutine[Any, Any, None] | None = None) -> None:
    """Serve until Ctrl-C, SIGTERM or cancellation. `beside` runs along; when it fails, so does this."""
    server = _Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="on",
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=2,
        )
    )
    serving = asyncio.create_task(server.serve([listening]))
    driving = asyncio.create_task(beside) if beside is not None else None
    if driving is not None:
        driving.add_done_callback(lambda task: None if task.cancelled() or not task.exception() else server.stop())
    try:
        await asyncio.shield(serving)
    finally:
        server.stop()
        if driving is not None:
            driving.cancel()
        results = await asyncio.gather(serving, *([driving] if driving else []), return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


def run(watch: LiveWatch, listening: socket.socket, *, announce: Callable[[str], None]) -> None:
    """Serve `watch` on a socket of `open_socket` and drive it until Ctrl-C; announce: where to print the address."""
    token = new_token()
    app = create_app(watch, token=token)

    async def both() -> None:
        await serve(app, listening, watch.run())

    with listening:
        announce(f"Map: {address(listening, token)}   Ctrl-C stops everything.")
        asyncio.run(both())
