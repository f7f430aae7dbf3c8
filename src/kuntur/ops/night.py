"""A night from end to end: prepare (survey, plan), draw, fly and watch, account. The top functions tell the story.

Aircraft, cameras and crossers are simulated here and every product says so. Times in a simulated night are simulated
too: the record begins an hour before the watch, and the clock runs `speed` times as fast while aircraft fly.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from kuntur.errors import StoreError
from kuntur.io.feed import KlvReceiver
from kuntur.model.place import Area, Lattice
from kuntur.model.plans import Strategy, Tasking
from kuntur.model.records import Actor, Purpose
from kuntur.model.tracks import Alert
from kuntur.ops import area as area_ops
from kuntur.ops import plan as plan_ops
from kuntur.ops import survey as survey_ops
from kuntur.ops.flown import FlightLog
from kuntur.ops.fly import fly, write_missions
from kuntur.ops.live import LiveView
from kuntur.ops.running import RunningWatch, settings_for
from kuntur.ops.session import Session
from kuntur.ops.simulated import launch_simulated
from kuntur.ops.watch import Watch
from kuntur.oversight.ledger import content_sha256
from kuntur.patrol import draw
from kuntur.sim import crossings
from kuntur.sim.world import World, save_world
from kuntur.store.embedded import WatchStore
from kuntur.units import NS_PER_S

Progress = Callable[[str, float, str], None]
Quiet = Callable[[float, str], None]

PLAN, TASKING, WORLD, FLIGHTS, REPORT = "plan.json", "tasking.json", "world.json", "flights.json", "report.html"
STORE = "store"
BEFORE_S = 3600.0  # the record of a simulated night begins this long before the watch
TAXI_S = 600.0  # simulated time between "all aircraft answer" and the start of the watch: missions go up in it
SIMULATED = ("simulated aircraft", "simulated cameras", "simulated crossers")
KUNTUR = Actor(id="kuntur", role="system")
OPERATOR = Actor(id="operator", role="operator")


class NightClock:
    """The clock of a simulated night's record: wall time from a simulated start, then the aircraft's own clock."""

    def __init__(self, start_t_ns: int) -> None:
        self._read: Callable[[], int] = lambda: start_t_ns + time.monotonic_ns() - began
        began = time.monotonic_ns()
        self._last = start_t_ns

    def follow(self, read: Callable[[], int]) -> None:
        """Take time from the aircraft's clock from now on."""
        self._read = read

    def now_ns(self) -> int:
        """Simulated UTC; never goes back."""
        self._last = max(self._last, self._read())
        return self._last

    def rest(self) -> None:
        """The aircraft are down: time goes on from here at the pace of the wall."""
        stood, began = self.now_ns(), time.monotonic_ns()
        self._read = lambda: stood + time.monotonic_ns() - began


class Night:
    """Watches of one area in one folder, one after another: what a server shows (`ops.live.LiveWatch`) and drives."""

    def __init__(
        self, area: Area, strategy: Strategy, session: Session, clock: NightClock, *, speed: float, crossers: int
    ) -> None:
        self.area = area
        self.strategy: Strategy | None = strategy
        self.tasking: Tasking | None = None
        self._plan = strategy
        self._session = session
        self._clock = clock
        self._speed = speed
        self._crossers = crossers
        self._flown = 0
        self._running: RunningWatch | None = None

    @property
    def live(self) -> Night:
        return self

    def snapshot(self) -> LiveView:
        """The present; before the first watch, an empty screen that says what is being made ready."""
        if self._running is not None:
            return self._running.snapshot()
        ready = ("The aircraft are being made ready", "Se preparan las aeronaves")
        simulated = simulated_words(self.area)
        return LiveView(t_ns=self._clock.now_ns(), simulated=simulated, phase_en=ready[0], phase_es=ready[1])

    def acknowledge(self, alert_id: str, actor: str, note: str) -> bool:
        return self._running is not None and self._running.acknowledge(alert_id, actor, note)

    def freshness(self) -> tuple[NDArray[np.float32], Lattice]:
        watch = self._running.watch if self._running is not None else Watch(self.area)
        return watch.freshness()

    async def run(self) -> None:
        """Fly watch after watch until cancelled; each has its own draw."""
        try:
            while True:
                await self.fly_one()
        finally:
            self.close()

    async def fly_one(self, progress: Quiet = lambda _fraction, _words: None) -> None:
        """One watch: commit to a seed, draw, fly and watch, reveal. Nothing is flown that the seed did not draw."""
        folder, session, clock = self._session.folder, self._session, self._clock
        start_t_ns = watch_start(self.area, after_t_ns=clock.now_ns())
        seed = secrets.token_bytes(32)
        plan = {"strategy": content_sha256(self._plan)}
        detail = {"start_t_ns": start_t_ns}
        session.record_entry("commit_draw", self.area.id, plan, {"commitment": draw.commitment(seed)}, detail)
        self.tasking = tasking = draw.draw(self._plan, seed, start_t_ns)
        world = simulated_world(self.area, self._plan, self._crossers, self._flown)
        save_world(world, folder / WORLD)
        log = await self._fly_and_watch(tasking, world, progress)
        session.record_entry("reveal_draw", self.area.id, plan, detail={"seed": seed.hex()})
        write(folder / TASKING, tasking)
        write(folder / FLIGHTS, log)
        write_missions(self.area, tasking, folder / "missions")
        self._flown += 1

    async def _fly_and_watch(self, tasking: Tasking, world: World, progress: Quiet) -> FlightLog:
        """Aircraft in their processes, telemetry and camera metadata into the store and the fold, until all are down."""
        folder, clock = self._session.folder, self._clock
        async with AsyncExitStack() as open_things:
            receiver = await open_things.enter_async_context(await KlvReceiver.open(clock.now_ns))
            fleet = await open_things.enter_async_context(
                launch_simulated(
                    self.area,
                    start_t_ns=tasking.start_t_ns - round(TAXI_S * NS_PER_S),
                    speed=self._speed,
                    klv_port=receiver.port,
                    world=folder / WORLD,
                    seed=world.seed,
                )
            )
            clock.follow(fleet.clock.now_ns)
            open_things.callback(clock.rest)
            store = open_things.enter_context(WatchStore(folder / (STORE if not self._flown else f"{STORE}-{self._flown + 1}")))
            watch = Watch(self.area, self._plan, tasking=tasking, settings=settings_for(self._speed))
            self._running = running = RunningWatch(
                watch,
                store,
                receiver,
                fleet.clock,
                simulated=simulated_words(self.area),
                on_alert=self._record_alert,
                on_acknowledge=self._record_acknowledgement,
            )
            watching = asyncio.create_task(running.run())
            try:
                return await fly(
                    self.area, tasking, self._session, fleet.links, fleet.clock, running.feed, progress=progress
                )
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
                running.write_geojson(folder)

    def _record_alert(self, alert: Alert) -> None:
        detail = {"kind": alert.kind, "text": alert.text_en}
        self._session.record_entry("alert", alert.id, {"tasking": alert.tasking_sha256}, detail=detail, actor=KUNTUR)

    def _record_acknowledgement(self, alert_id: str, actor: str, note: str) -> None:
        who = Actor(id=actor, role="operator")
        now = self._clock.now_ns()
        permit = self._session.permit("acknowledge", alert_id, now, now, actor=who)
        self._session.record_entry("acknowledge", alert_id, detail={"note": note}, permit=permit, actor=who)

    def close(self) -> None:
        """Close the record; its newest checkpoint is copied beside it."""
        self._session.close()


def prepare(
    name: str,
    terrain: Sequence[Path],
    folder: Path,
    *,
    speed: float,
    crossers: int = 40,
    seconds: float | None = None,
    progress: Progress,
) -> Night:
    """Load the area, survey it, plan its patrols; every step is in the record before it is done."""
    area = area_ops.load(name, terrain, progress=lambda f, w: progress("area", f, w))
    clock = NightClock(watch_start(area, after_t_ns=time.time_ns()) - round(BEFORE_S * NS_PER_S))
    session = open_session(area, fresh(folder), clock)
    try:
        session.record_entry("survey", area.id, area.input_hashes)
        surveyed = survey_ops.survey(area, progress=lambda f, w: progress("survey", 0.6 * f, w))
        survey_ops.write_survey(surveyed, area, folder / "survey")
        progress("survey", 1.0, f"{len(surveyed.viewpoints_m)} viewpoints")
        session.record_entry("plan", area.id, area.input_hashes)
        strategy = plan_ops.plan(area, seconds=seconds, progress=lambda f, w: progress("plan", f, w))
        plan_ops.save_plan(strategy, folder / PLAN)
        plan_ops.draw_plan(area, strategy, folder / "plan.png")
        return Night(area, strategy, session, clock, speed=speed, crossers=crossers)
    except BaseException:
        session.__exit__(None, None, None)
        raise


def open_session(area: Area, folder: Path, clock: NightClock) -> Session:
    """A session of the operator on a simulated watch."""
    purpose = Purpose(code="test", text="a simulated watch")
    return Session.open(folder, area, OPERATOR, purpose, now_ns=clock.now_ns, simulated=simulated_words(area))


def simulated_words(area: Area) -> tuple[str, ...]:
    """What is not real in a simulated watch of this area, in words."""
    return (*SIMULATED, "sketched terrain") if area.terrain.sketched else SIMULATED


def watch_start(area: Area, *, after_t_ns: int) -> int:
    """The next moment the area's watch begins, UTC nanoseconds."""
    hour, minute = (int(part) for part in area.requirement.start_local.split(":"))
    offset = timedelta(hours=area.requirement.utc_offset_h)
    local = datetime.fromtimestamp(after_t_ns / NS_PER_S, UTC) + offset
    start = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if start <= local + timedelta(seconds=BEFORE_S):
        start += timedelta(days=1)
    return round((start - offset).timestamp()) * NS_PER_S


def simulated_world(area: Area, strategy: Strategy, crossers: int, number: int) -> World:
    """Tonight's crossers: half naive, half following the best attacks found on the plan; all simulated."""
    rng = np.random.default_rng([number, crossers])
    adaptive = adaptive_crossers(area, strategy, rng, crossers // 2)
    naive = crossings.naive(area, rng, crossers - len(adaptive))
    return World(area_id=area.id, seed=number + 1, crossers=(*naive, *adaptive))


def fresh(folder: Path) -> Path:
    """`folder`, empty; what stood there is kept under a name with its time, for a record is never deleted."""
    if folder.exists() and any(folder.iterdir()):
        changed = datetime.fromtimestamp(folder.stat().st_mtime).astimezone()
        kept = folder.with_name(f"{folder.name}.{changed:%Y%m%d-%H%M%S}")
        if kept.exists():
            raise StoreError(f"{folder} cannot be kept as {kept}: that exists.", remedy="Move one of the two away.")
        folder.rename(kept)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write(path: Path, value: object) -> None:
    """Write a product as JSON, whole or not at all."""
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(msgspec.json.encode(value))
    unfinished.replace(path)
