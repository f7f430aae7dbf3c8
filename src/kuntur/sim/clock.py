"""Simulated time: it runs `speed` times as fast as the wall clock, the same in every process that knows its start."""

from __future__ import annotations

import asyncio
import time

from msgspec import Struct

from kuntur.units import NS_PER_S


class SimClock(Struct, kw_only=True):
    """UTC that started at `start_t_ns` when this machine's monotonic clock read `wall0_s`.

    With speed 1 and the present as start it is the real clock, which is how real aircraft are flown. A simulated one
    can be held back (`hold`) when this machine cannot keep up; `held_s` is by how much it was, in wall seconds.
    """

    start_t_ns: int
    wall0_s: float
    speed: float = 1.0
    held_s: float = 0.0

    def hold(self, wall_s: float) -> None:
        """Let simulated time stand still for `wall_s` from now on; the other processes must be told `wall0_s` anew."""
        self.wall0_s += wall_s
        self.held_s += wall_s

    def now_ns(self, wall_s: float | None = None) -> int:
        """Simulated UTC; of the reading `wall_s` of the monotonic clock when one is given."""
        wall = time.monotonic() if wall_s is None else wall_s
        return self.start_t_ns + round((wall - self.wall0_s) * self.speed * NS_PER_S)

    def elapsed_s(self) -> float:
        """Simulated seconds since the start."""
        return (time.monotonic() - self.wall0_s) * self.speed

    def wall_s(self, t_ns: int) -> float:
        """What the monotonic clock reads at simulated time `t_ns`."""
        return self.wall0_s + (t_ns - self.start_t_ns) / NS_PER_S / self.speed

    async def sleep_until(self, t_ns: int) -> None:
        """Wait until simulated time `t_ns`; return at once when it has passed."""
        while (remaining_s := self.wall_s(t_ns) - time.monotonic()) > 0:
            await asyncio.sleep(remaining_s)


def real_time() -> SimClock:
    """The real clock in the form of a simulated one."""
    return SimClock(start_t_ns=time.time_ns(), wall0_s=time.monotonic(), speed=1.0)
