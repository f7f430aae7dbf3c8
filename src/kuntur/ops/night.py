"""A night from end to end: prepare (survey, plan), draw, fly and watch, account. The top functions tell the story.

Aircraft, cameras and crossers are simulated here and every product says so. Times in a simulated night are simulated
too: the record begins an hour before the watch, and the clock runs `speed` times as fast while aircraft fly.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from kuntur.codecs import missions
from kuntur.errors import StoreError
from kuntur.io.feed import KlvReceiver
from kuntur.model.place import Area, Lattice
from kuntur.model.plans import Strategy, Tasking
from kuntur.model.records import Actor
from kuntur.model.tracks import Alert
from kuntur.ops import area as area_ops
from kuntur.ops import certify, plan_seen, plan_seen_picture, stored
from kuntur.ops import plan as plan_ops
from kuntur.ops import review as review_ops
from kuntur.ops import survey as survey_ops
from kuntur.ops.flown import FlightLog
from kuntur.ops.fly import fly, write_missions
from kuntur.ops.live import LiveView
from kuntur.ops.running import RunningWatch, settings_for
from kuntur.ops.session import CHECKPOINT_COPY, Session
from kuntur.ops.simulated import launch_simulated
from kuntur.ops.watch import Watch
from kuntur.patrol import draw
from kuntur.sim import adaptive, crossings
from kuntur.sim.clock import SimClock
from kuntur.sim.world import World, save_world
from kuntur.store.embedded import WatchStore
from kuntur.units import NS_PER_S, at_least, at_most

Progress = Callable[[str, float, str], None]
Quiet = Callable[[float, str], None]

BEFORE_S = 3600.0  # the record of a simulated night begins this long before the watch
TAXI_S = 300.0  # simulated time between "all aircraft answer" and the first lift-off: missions go up in it
KUNTUR = Actor(id="kuntur", role="system")


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
        self,
        area: Area,
        strategy: Strategy,
        session: Session,
        clock: NightClock,
        *,
        speed: float,
        crossers: int,
        watchable: NDArray[np.bool_] | None = None,
    ) -> None:
        self.area = area
        self.strategy: Strategy | None = strategy
        self.tasking: Tasking | None = None
        self.plan = strategy
        self.seen = plan_seen.load(session.folder / stored.PLAN, strategy)
        self._session = session
        self._clock = clock
        self._speed = speed
        self._crossers = crossers
        self._watchable = watchable
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
        simulated = stored.simulated_words(self.area)
        return LiveView(t_ns=self._clock.now_ns(), simulated=simulated, phase_en=ready[0], phase_es=ready[1])

    def acknowledge(self, alert_id: str, actor: str, note: str) -> bool:
        return self._running is not None and self._running.acknowledge(alert_id, actor, note)

    def freshness(self) -> tuple[NDArray[np.float32], Lattice]:
        watch = self._running.watch if self._running is not None else Watch(self.area)
        return watch.freshness()

    async def run(self) -> None:
        """Fly watch after watch until cancelled; each has its own draw."""
        while True:
            await self.fly_one()

    async def fly_one(self, progress: Quiet = lambda _fraction, _words: None) -> None:
        """One watch: commit to a seed, draw, fly and watch, reveal. Nothing is flown that the seed did not draw."""
        folder, session, clock = self._session.folder, self._session, self._clock
        start_t_ns = watch_start(self.area, after_t_ns=clock.now_ns())
        seed = secrets.token_bytes(32)
        plan = {"strategy": draw.strategy_sha256(self.plan)}
        detail = {"start_t_ns": start_t_ns}
        session.record_entry("commit_draw", self.area.id, plan, {"commitment": draw.commitment(seed)}, detail)
        self.tasking = tasking = draw.draw(self.plan, seed, start_t_ns)
        self._ask_to_look(start_t_ns)
        world = simulated_world(self.area, self.plan, start_t_ns, self._crossers, self._flown)
        save_world(world, folder / stored.WORLD)
        log = await self._fly_and_watch(tasking, world, progress)
        session.record_entry("reveal_draw", self.area.id, plan, detail={"seed": seed.hex()})
        stored.write(folder / stored.TASKING, tasking)
        stored.write(folder / stored.FLIGHTS, log)
        write_missions(self.area, tasking, folder / "missions")
        self._flown += 1

    def _ask_to_look(self, start_t_ns: int) -> None:
        """Cameras turn all round, so they look over the border too: the commander answers for that, up to the limit."""
        until_t_ns = start_t_ns + round(self.area.requirement.duration_s * NS_PER_S)
        for aircraft in self.area.fleet.aircraft:
            self._session.permit("look", aircraft.id, start_t_ns, until_t_ns)
            self._session.permit(
                "look_across",
                aircraft.id,
                start_t_ns,
                until_t_ns,
                across_m=self._session.policy.look_across_max_m,
                actor=stored.COMMANDER,
            )

    async def _fly_and_watch(self, tasking: Tasking, world: World, progress: Quiet) -> FlightLog:
        """Aircraft in their processes; what they and their cameras tell goes to store and fold, until all are down."""
        folder, clock = self._session.folder, self._clock
        launching = launch_simulated(
            self.area,
            start_t_ns=tasking.start_t_ns - round(before_start_s(self.area, tasking) * NS_PER_S),
            speed=self._speed,
            klv_port=(receiver := await KlvReceiver.open(clock.now_ns)).port,
            world=folder / stored.WORLD,
            seed=world.seed,
            progress=lambda _fraction, words: progress(0.0, words),
        )
        async with receiver, launching as fleet:
            clock.follow(fleet.clock.now_ns)
            try:
                running = self._begin(tasking, receiver, fleet.clock)
                fleet.lags.append(lambda: running.lag_s)
                async with asyncio.TaskGroup() as together:
                    watching = together.create_task(running.run())
                    log = await fly(
                        self.area, tasking, self._session, fleet.links, fleet.clock, running.feed, progress=progress
                    )
                    watching.cancel()
            except ExceptionGroup as failed:
                raise failed.exceptions[0] from failed
            finally:
                clock.rest()
        running.write_geojson(folder)
        return log

    def _begin(self, tasking: Tasking, receiver: KlvReceiver, clock: SimClock) -> RunningWatch:
        """A watch with a store of its own; the one before stays on the screen until this moment."""
        store = self._session.folder / (stored.STORE if self._flown == 0 else f"{stored.STORE}-{self._flown + 1}")
        before = self._running
        self._running = RunningWatch(
            Watch(
                self.area,
                self.plan,
                tasking=tasking,
                settings=settings_for(self._speed, across_max_m=self._session.policy.look_across_max_m),
                watchable=self._watchable,
            ),
            WatchStore(store),
            receiver,
            clock,
            simulated=stored.simulated_words(self.area),
            on_alert=self._record_alert,
            on_acknowledge=partial(stored.record_acknowledgement, self._session),
        )
        if before is not None:
            before.store.close()
        return self._running

    def _record_alert(self, alert: Alert) -> None:
        detail = {"kind": alert.kind, "text": alert.text_en}
        self._session.record_entry("alert", alert.id, {"tasking": alert.tasking_sha256}, detail=detail, actor=KUNTUR)

    def __enter__(self) -> Night:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close store and record; the newest checkpoint is copied beside the record."""
        if self._running is not None:
            self._running.store.close()
        self._session.__exit__(kind, error, trace)


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
    session = stored.open_session(area, fresh(folder), clock.now_ns)
    try:
        session.record_entry("survey", area.id, area.input_hashes)
        surveyed = survey_ops.survey(area, progress=lambda f, w: progress("survey", 0.6 * f, w))
        survey_ops.write_survey(surveyed, area, folder / "survey")
        progress("survey", 1.0, f"{len(surveyed.viewpoints_m)} viewpoints")
        session.record_entry("plan", area.id, area.input_hashes)
        strategy = plan_ops.plan(area, seconds=seconds, accept_best=True, progress=lambda f, w: progress("plan", f, w))
        plan_ops.save_plan(strategy, folder / stored.PLAN)
        strategy = plan_ops.load_plan(folder / stored.PLAN)  # what is flown is what the file says
        plan_ops.draw_plan(area, strategy, folder / "plan.png")
        plan_seen_picture.write_seen(area, strategy, folder / stored.PLAN)
        watchable = surveyed.sight_count > 0
        return Night(area, strategy, session, clock, speed=speed, crossers=crossers, watchable=watchable)
    except BaseException as error:
        session.__exit__(type(error), error, error.__traceback__)
        raise


def headless(
    name: str,
    terrain: Sequence[Path],
    folder: Path,
    *,
    speed: float,
    seconds: float | None = None,
    progress: Progress,
) -> str:
    """One accelerated watch from the area's name to its account; returns what to tell the user."""
    with prepare(name, terrain, folder, speed=speed, seconds=seconds, progress=progress) as night:
        asyncio.run(night.fly_one(lambda f, w: progress("fly", f, w)))
    report = stored.review_folder(night.area, folder, replay=False, progress=progress)
    verified = review_ops.verify_text(folder / "record", folder / CHECKPOINT_COPY)
    return f"{promise(night.area, night.plan)}\n{verified}\n{report}"


def promise(area: Area, strategy: Strategy) -> str:
    """The three numbers in one line, and whether they meet what was asked for."""
    proof, asked = strategy.certificate, area.requirement.detection_prob
    meets = "meets" if proof.floor >= asked else "does NOT meet"
    return (
        f"Detection: floor {at_least(proof.floor):.2f}, strongest attack found {proof.attack:.2f}, "
        f"ceiling {at_most(proof.ceiling):.2f}; "
        f"this {meets} the {asked:.2f} asked for."
    )


def fly_watch(
    name: str,
    terrain: Sequence[Path],
    plan: Path,
    folder: Path,
    *,
    speed: float,
    crossers: int,
    progress: Progress,
) -> None:
    """Fly one watch of a finished plan, after checking that plan again: it may have been edited by hand, or be another
    than the one its certificate is about."""
    area = area_ops.load(name, terrain, progress=lambda f, w: progress("area", f, w))
    strategy = plan_ops.load_plan(plan)
    certify.require_flyable(area, strategy)
    shown = plan_seen.load(plan, strategy)
    clock = NightClock(watch_start(area, after_t_ns=time.time_ns()) - round(BEFORE_S * NS_PER_S))
    session = stored.open_session(area, fresh(folder), clock.now_ns)
    plan_ops.save_plan(strategy, folder / stored.PLAN)
    if shown is not None:
        plan_seen.save(shown, plan_seen.beside(folder / stored.PLAN))
    with Night(area, strategy, session, clock, speed=speed, crossers=crossers) as night:
        asyncio.run(night.fly_one(lambda f, w: progress("fly", f, w)))


def watch_start(area: Area, *, after_t_ns: int) -> int:
    """The next moment the area's watch begins, UTC nanoseconds."""
    hour, minute = (int(part) for part in area.requirement.start_local.split(":"))
    offset = timedelta(hours=area.requirement.utc_offset_h)
    local = datetime.fromtimestamp(after_t_ns / NS_PER_S, UTC) + offset
    start = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if start <= local + timedelta(seconds=BEFORE_S):
        start += timedelta(days=1)
    return round((start - offset).timestamp()) * NS_PER_S


def before_start_s(area: Area, tasking: Tasking) -> float:
    """How long before the watch the aircraft must be ready: the first may lift off before it begins."""
    bases = {base.id: base for base in area.bases}
    fleet = {aircraft.id: aircraft for aircraft in area.fleet.aircraft}
    lift_offs_s = [
        missions.from_sortie(s, bases[s.base_id], fleet[s.aircraft_id], area.frame, area.weather).lift_off_s
        for s in tasking.sorties
    ]
    return max(0.0, -min(lift_offs_s, default=0.0)) + TAXI_S


def simulated_world(area: Area, strategy: Strategy, start_t_ns: int, crossers: int, number: int) -> World:
    """Tonight's crossers: half naive, half on the best ways found against the plan, knowing no draw; all simulated."""
    rng = np.random.default_rng([number, crossers])
    proof = strategy.certificate
    crosser = next(one for one in area.crossers if one.id == proof.crosser_class)
    board = adaptive.Board(area, strategy, crosser, cell_m=proof.planning_cell_m, step_s=proof.planning_step_s)
    ways = board.fixed_ways(rng, crossers // 2)
    knowing = [ways[k % len(ways)].crosser(f"adaptive-{k + 1}", crosser) for k in range(crossers // 2)]
    naive = crossings.naive(area, rng, crossers - len(knowing))
    return World(area_id=area.id, seed=number + 1, start_t_ns=start_t_ns, crossers=(*naive, *knowing))


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
