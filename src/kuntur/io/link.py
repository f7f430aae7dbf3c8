"""Bytes to and from one aircraft over UDP or TCP, on loopback or a real network; no meaning."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from kuntur.errors import BusyError, LinkError

LOOPBACK = "127.0.0.1"
RECEIVE_BUFFER_BYTES = 4 << 20  # at 200 times real time a second of silence of ours is 3 minutes of telemetry
DATAGRAM_BYTES = 65_536
CONNECT_S = 5.0

Receive = Callable[[bytes], None]


def udp_socket(port: int = 0, host: str = LOOPBACK) -> socket.socket:
    """A UDP socket bound to `port` (0: any free one). Raises BusyError when somebody else has it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.setblocking(False)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise BusyError(
            f"UDP port {port} on {host} cannot be had: {error.strerror}.",
            remedy="Stop the program that has it, or choose another port.",
        ) from error
    return sock


class UdpLink:
    """Listens on one port and answers whoever spoke last: what ground stations do. Make it with `open`."""

    def __init__(self, receive: Receive, sock: socket.socket) -> None:
        self.datagrams = True
        self._receive = receive
        self._sock = sock
        self._peer: tuple[str, int] | None = None
        self._open = True

    @classmethod
    async def open(cls, receive: Receive, sock: socket.socket) -> UdpLink:
        """Take over a socket that `udp_socket` bound."""
        link = cls(receive, sock)
        asyncio.get_running_loop().add_reader(sock, link._read)
        return link

    def _read(self) -> None:
        """Take everything that is there: asyncio's own transport takes one datagram a turn, and falls behind."""
        while self._open:
            try:
                data, self._peer = self._sock.recvfrom(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except ConnectionRefusedError:  # an earlier datagram of ours found nobody
                continue
            self._receive(data)

    def send(self, data: bytes) -> None:
        """Send one datagram; lost when nobody was heard yet, is there any more, or the buffer is full."""
        if self._open and self._peer is not None:
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                self._sock.sendto(data, self._peer)

    def close(self) -> None:
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()


class TcpLink:
    """A stream to an aircraft that listens (a simulator, a radio's bridge). Make it with `connect`."""

    def __init__(self, writer: asyncio.StreamWriter, reading: asyncio.Task[None]) -> None:
        self.datagrams = False
        self._writer = writer
        self._reading = reading

    @classmethod
    async def connect(cls, receive: Receive, host: str, port: int) -> TcpLink:
        """Raises LinkError when nobody answers there."""
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), CONNECT_S)
        except (OSError, TimeoutError) as error:
            raise LinkError(
                f"Nobody answers at TCP {host}:{port}.",
                remedy="Switch the aircraft or its bridge on; check address and port.",
            ) from error

        async def read() -> None:
            while data := await reader.read(65_536):  # an empty read is the end; the aircraft then falls silent
                receive(data)

        return cls(writer, asyncio.create_task(read()))

    def send(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    def close(self) -> None:
        self._reading.cancel()
        self._writer.close()


Link = UdpLink | TcpLink
