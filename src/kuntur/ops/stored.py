"""A watch folder after the flight: what its files are called, the review of it, and its replay on the screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from kuntur.errors import StoreError
from kuntur.model.place import Area
from kuntur.model.plans import Strategy, Tasking
from kuntur.model.records import Actor, Purpose
from kuntur.ops import maps, plan_seen
from kuntur.ops import plan as plan_ops
from kuntur.ops import review as review_ops
from kuntur.ops import trial as trials
from kuntur.ops.account import Review
from kuntur.ops.running import FollowedWatch
from kuntur.ops.session import Session
from kuntur.sim.world import load_world

T = TypeVar("T")
Progress = Callable[[str, float, str], None]

PLAN, TASKING, WORLD, FLIGHTS, REPORT = "plan.json", "tasking.json", "world.json", "flights.json", "report.html"
MADE = "report.json"
STORE = "store"
SEEN, MISSED = "#1a7f37", "#b42318"
SIMULATED = ("simulated aircraft", "simulated cameras", "simulated crossers")
OPERATOR = Actor(id="operator", role="operator")
COMMANDER = Actor(id="commander", role="commander")
WATCHING = Purpose(code="border_patrol", text="a simulated watch")


def review_folder(
    area: Area, folder: Path, *, replay: bool = True, trial: int = 0, confidence: float = 0.99, progress: Progress
) -> Path:
    """Account for a watch: replay it, compare it with plan and truth, try the plan on `trial` crossings, report.

    confidence: of the trial's intervals. What the report was made with goes into `report.json`, so that
    `ops.recompute` can make it again.

    replay: fold the whole feed again and see whether it raises the same alerts (about 25 s for a night of four).
    """
    strategy = plan_ops.load_plan(folder / PLAN)
    tasking = read(folder / TASKING, Tasking)
    world = load_world(folder / WORLD)
    agrees = None
    if replay:
        agrees = review_ops.replay_agrees(
            area, strategy, tasking, folder, progress=lambda f, w: progress("replay", f, w)
        )
    tried = None
    if trial:
        tried = trials.trial(
            area, strategy, crossings=trial, confidence=confidence, progress=lambda f, w: progress("trial", f, w)
        )
        trials.save_trial(tried, folder / "trial.json")
        trials.draw_trial(tried, folder / "trial.png")
    review = review_ops.gather(
        area,
        strategy,
        tasking,
        folder,
        world=world,
        trial=tried,
        replay_agrees=agrees,
        progress=lambda f, w: progress("review", 0.9 * f, w),
    )
    draw_map(review, area, folder / "map.png")
    report = review_ops.write_report(review, area, folder / REPORT)
    write(folder / MADE, ReportMade(replay_agrees=agrees, tried=bool(trial)))
    progress("review", 1.0, "report written")
    return report


class ReportMade(Struct, frozen=True, kw_only=True):
    """How a report was made, beyond what lies in its folder: whether the replay was asked for and agreed, and whether
    `trial.json` is in it."""

    replay_agrees: bool | None
    tried: bool


class Follow:
    """A stored watch on the screen, running or finished (`ops.live.LiveWatch`); the screen keeps its own record."""

    def __init__(self, area: Area, folder: Path, *, speed: float) -> None:
        self.area = area
        planned = plan_ops.load_plan(folder / PLAN)
        self.strategy: Strategy | None = planned
        self.seen = plan_seen.load(folder / PLAN, planned)
        self.tasking: Tasking | None = read(folder / TASKING, Tasking) if (folder / TASKING).exists() else None
        self._session = open_session(area, folder / "screen", time.time_ns)
        self.live = FollowedWatch(
            area,
            folder / STORE,
            strategy=self.strategy,
            tasking=self.tasking,
            speed=speed,
            simulated=simulated_words(area),
            on_acknowledge=partial(record_acknowledgement, self._session),
        )

    async def run(self) -> None:
        """Step through the watch, then stay on its end until cancelled."""
        await self.live.run()
        await asyncio.Event().wait()

    def __enter__(self) -> Follow:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.store.close()
        self._session.__exit__(kind, error, trace)


def draw_map(review: Review, area: Area, path: Path) -> Path:
    """The watch on one sheet: flown paths, the simulated crossers seen and missed, alerts."""
    sheet = maps.Sheet(area, area.title, "One simulated watch: flown, crossed, seen")
    for number, xy_m in enumerate(review.paths.values()):
        sheet.line(xy_m, color=f"C{number}", linewidth=0.8, alpha=0.8)
    for crossing in review.crossings:
        seen = crossing.detections > 0
        colour, style = (SEEN, "-") if seen else (MISSED, ":")
        sheet.line(np.array(crossing.xy_m), color=colour, linewidth=1.4, linestyle=style)
    for number, aircraft_id in enumerate(review.paths):
        sheet.legend_line(f"flown by {aircraft_id} (simulated)", color=f"C{number}")
    sheet.legend_line("simulated crosser, detected", color=SEEN)
    sheet.legend_line("simulated crosser, missed", color=MISSED, linestyle=":")
    return sheet.save(path)


def open_session(area: Area, folder: Path, now_ns: Callable[[], int]) -> Session:
    """A session of the operator on a simulated watch."""
    return Session.open(folder, area, OPERATOR, WATCHING, now_ns=now_ns, simulated=simulated_words(area))


def simulated_words(area: Area) -> tuple[str, ...]:
    """What is not real in a simulated watch of this area, in words."""
    return (*SIMULATED, "sketched terrain") if area.terrain.sketched else SIMULATED


def record_acknowledgement(session: Session, alert_id: str, actor: str, note: str) -> None:
    """Ask leave to acknowledge an alert, and write it down."""
    who, now_ns = Actor(id=actor, role="operator"), session.now_ns()
    permit = session.permit("acknowledge", alert_id, now_ns, now_ns, actor=who)
    session.record_entry("acknowledge", alert_id, detail={"note": note}, permit=permit, actor=who)


def read(path: Path, kind: type[T]) -> T:
    """Read what `write` wrote."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(
            f"{path} cannot be read: {error}.", remedy="Name the folder of a finished watch, as `kuntur fly` wrote it."
        ) from error


def write(path: Path, value: object) -> None:
    """Write a product as JSON, whole or not at all."""
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(msgspec.json.encode(value))
    unfinished.replace(path)
