"""The live socket: the newest `LiveView` to every screen, at most five times a second, as JSON text."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, Final

import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from kuntur.ops.live import LiveSource
from kuntur.server.auth import PROTOCOL, require_token

INTERVAL_S: Final = 0.2


class LiveFeed:
    """Encodes the present once per interval, however many screens look."""

    def __init__(self, live: LiveSource) -> None:
        self.live = live
        self._text = ""
        self._made_s = -INTERVAL_S

    def frame(self) -> str:
        now_s = time.monotonic()
        if now_s - self._made_s >= INTERVAL_S * 0.9:
            self._text = msgspec.json.encode(self.live.snapshot()).decode()
            self._made_s = now_s
        return self._text


async def _send_newest(socket: WebSocket[Any, Any, Any], feed: LiveFeed) -> None:
    while True:
        await socket.send_text(feed.frame())  # waits while the screen is slow, so it gets fewer, always the newest
        await asyncio.sleep(INTERVAL_S)


async def _until_gone(socket: WebSocket[Any, Any, Any]) -> None:
    """A sender never learns that its client left; a reader does."""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()


@websocket("/live", guards=[require_token])
async def live_socket(socket: WebSocket[Any, Any, Any]) -> None:
    """Push the present until the screen goes away or the server stops."""
    await socket.accept(subprotocols=PROTOCOL)
    sender = asyncio.create_task(_send_newest(socket, socket.app.state.feed))
    reader = asyncio.create_task(_until_gone(socket))
    try:
        done, _ = await asyncio.wait({sender, reader}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with contextlib.suppress(WebSocketDisconnect):
                task.result()
    finally:
        for task in (sender, reader):
            task.cancel()
        await asyncio.gather(sender, reader, return_exceptions=True)
