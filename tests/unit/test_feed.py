"""The receiver hands over every datagram once, in order, stamped on arrival, and counts what the system dropped."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from kuntur.errors import BusyError
from kuntur.io.feed import KlvReceiver


def test_datagrams_arrive_in_order_and_stamped() -> None:
    async def run() -> None:
        now = iter(range(100))
        async with await KlvReceiver.open(lambda: next(now)) as receiver:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for k in range(5):
                    sender.sendto(b"packet %d" % k, ("127.0.0.1", receiver.port))
                sender.sendto(b"", ("127.0.0.1", receiver.port))
            await asyncio.sleep(0.05)
            items = receiver.take()
            assert [i.payload for i in items] == [b"packet %d" % k for k in range(5)] + [b""]
            assert [i.t_ns for i in items] == list(range(6))
            assert {(i.kind, i.source) for i in items} == {("klv", "klv")}
            assert receiver.take() == [] and receiver.dropped == 0 and receiver.received == 6

    asyncio.run(run())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how many datagrams it dropped")
def test_datagrams_dropped_by_the_system_are_counted() -> None:
    async def run() -> None:
        async with await KlvReceiver.open(lambda: 0) as receiver:
            receiver._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for _ in range(200):
                    sender.sendto(bytes(1000), ("127.0.0.1", receiver.port))
                receiver.take()
                sender.sendto(bytes(1000), ("127.0.0.1", receiver.port))  # carries the count
                receiver.take()
            assert receiver.dropped > 0
            assert receiver.received + receiver.dropped == 201

    asyncio.run(run())


def test_a_taken_port_is_said() -> None:
    async def run() -> None:
        async with await KlvReceiver.open(lambda: 0) as receiver:
            with pytest.raises(BusyError, match=str(receiver.port)):
                await KlvReceiver.open(lambda: 0, receiver.port)

    asyncio.run(run())
