"""Video metadata as it arrives: one UDP port, KLV packets in, `FeedItem`s out, and a count of what was lost on the way.

What is in a datagram is not looked at here: junk is stored too, and the watch counts it. The operating system tells how
many datagrams it dropped because we read too late (Linux SO_RXQ_OVFL, socket(7)); they are counted, never ignored.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from kuntur.io.link import LOOPBACK, udp_socket
from kuntur.model.tracks import FeedItem

SOURCE: Final = "klv"
MOST_WAITING: Final = 200_000  # items nobody has taken: about 60 MB; beyond, they are counted as dropped
_SO_RXQ_OVFL: Final = 40  # Linux, asm-generic/socket.h; not in Python's socket module
_DATAGRAM_BYTES: Final = 65_536


class KlvReceiver:
    """Listens from `open` to `close`; `take` hands over what has come in since. now_ns stamps the time of arrival."""

    def __init__(self, sock: socket.socket, now_ns: Callable[[], int]) -> None:
        self._sock = sock
        self._now_ns = now_ns
        self._waiting: list[FeedItem] = []
        self._dropped_here = 0
        self._dropped_by_system = 0
        self._closed = False
        self.received = 0
        if sys.platform == "linux":
            sock.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
        asyncio.get_running_loop().add_reader(sock, self._read)

    @classmethod
    async def open(cls, now_ns: Callable[[], int], port: int = 0, host: str = LOOPBACK) -> Self:
        """Bind the port (0: any free one). Raises BusyError when somebody else has it."""
        return cls(udp_socket(port, host), now_ns)

    @property
    def port(self) -> int:
        return int(self._sock.getsockname()[1])

    @property
    def dropped(self) -> int:
        """Datagrams that arrived and were lost: dropped by the operating system, or not taken in time."""
        return self._dropped_here + self._dropped_by_system

    def _read(self) -> None:
        """Take everything that is there."""
        while True:
            try:
                datagram, ancillary, _, _ = self._sock.recvmsg(_DATAGRAM_BYTES, 64)
            except (BlockingIOError, InterruptedError):
                return
            for level, kind, data in ancillary:
                if level == socket.SOL_SOCKET and kind == _SO_RXQ_OVFL:
                    (self._dropped_by_system,) = struct.unpack_from("=I", data)
            self.received += 1
            if len(self._waiting) >= MOST_WAITING:
                self._dropped_here += 1
                continue
            self._waiting.append(FeedItem(t_ns=self._now_ns(), source=SOURCE, kind="klv", payload=datagram))

    def take(self) -> list[FeedItem]:
        """Everything that has arrived since the last call, in order."""
        if not self._closed:
            self._read()
        taken, self._waiting = self._waiting, []
        return taken

    def close(self) -> None:
        """Stop listening. What was not taken is still there for `take`."""
        if self._closed:
            return
        self._read()
        self._closed = True
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
