"""Bytes to and from one aircraft over UDP or TCP, on loopback or a real network; no meaning."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from kuntur.errors import BusyError, LinkError

LOOPBACK = "127.0.0.1"
RECEIVE_BUFFER_BYTES = 4 << 20  # at 200 times real time a second of silence of ours is 3 minutes of telemetry
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


class UdpLink(asyncio.DatagramProtocol):
    """Listens on one port and answers whoever spoke last: what ground stations do. Make it with `open`."""

    def __init__(self, receive: Receive) -> None:
        self.datagrams = True
        self._receive = receive
        self._transport: asyncio.DatagramTransport | None = None
        self._peer: tuple[str, int] | None = None

    @classmethod
    async def open(cls, receive: Receive, sock: socket.socket) -> UdpLink:
        """Take over a socket that `udp_socket` bound."""
        link = cls(receive)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: link, sock=sock)
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._peer = addr
        self._receive(data)

    def send(self, data: bytes) -> None:
        """Send one datagram; lost when nobody was heard yet."""
        if self._transport is not None and self._peer is not None:
            self._transport.sendto(data, self._peer)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


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
