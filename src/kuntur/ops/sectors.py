"""A long border in sectors: each has its own aircraft, is planned alone, and its promise holds whatever the others do.

The border is cut into *cores*. A sector is its core and a margin to either side: its aircraft fly over all of it,
crossers start in the core only, and a crosser who leaves the sector sideways counts as through. So what a sector
promises holds for every crossing that begins in its core, wherever it ends; aircraft of other sectors can only see it
as well. Every crossing begins in exactly one core, so the least promise of the sectors is one for the whole border.
Draws of sectors are independent, and a crosser who is told all of them gains nothing over one who is told his own.
Aircraft of neighbours keep apart in height: sectors use two sets of layers in turn.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from kuntur.errors import InfeasibleError
from kuntur.geodesy import lines
from kuntur.model.assets import Fleet
from kuntur.model.place import Area
from kuntur.model.plans import Strategy
from kuntur.ops import plan as planning
from kuntur.ops.cluster import Cluster, mapped
from kuntur.units import at_least

Progress = Callable[[float, str], None]

MARGIN_M: Final = 8000.0  # to either side of a core: about as far as a crosser must get inland in our areas


class Sector(Struct, frozen=True, kw_only=True):
    """A part of a border. from_m, to_m: chainage of its core along the whole border. first_layer: its lowest layer."""

    number: int
    from_m: float
    to_m: float
    first_layer: int
    area: Area


class Promise(Struct, frozen=True, kw_only=True):
    """What one sector promises. plan: the file, beside this one."""

    number: int
    from_m: float
    to_m: float
    aircraft_ids: tuple[str, ...]
    floor: float
    attack: float
    leak: float
    plan: str
    plan_sha256: str


class Border(Struct, frozen=True, kw_only=True):
    """The promise for a whole border: the least of its sectors."""

    area_id: str
    floor: float
    margin_m: float
    sectors: tuple[Promise, ...]
    words: str


def split(area: Area, count: int, *, margin_m: float = MARGIN_M) -> list[Sector]:
    """`count` sectors, each with the aircraft of neighbouring bases; cores meet half way between one's bases and the
    next's. Raises InfeasibleError when there are fewer bases with aircraft than sectors."""
    length_m = float(lines.chainages(area.border.xy_m)[-1])
    manned = {one.base_id for one in area.fleet.aircraft}
    at_m = {
        base.id: float(lines.inward_offset(area.border.xy_m, area.border.ours, base.x_m, base.y_m)[0][0])
        for base in area.bases
        if base.id in manned
    }
    if count > len(at_m):
        raise InfeasibleError(
            f"{count} sectors need aircraft at {count} bases; the fleet is stationed at {len(at_m)}.",
            remedy="Choose fewer sectors, or station aircraft at more bases.",
        )
    groups = [list(part) for part in np.array_split(sorted(at_m, key=lambda base: at_m[base]), count)]
    ends = [0.0, *(0.5 * (at_m[a[-1]] + at_m[b[0]]) for a, b in itertools.pairwise(groups)), length_m]
    found = []
    for k, own in enumerate(groups):
        from_m, to_m = ends[k], ends[k + 1]
        aircraft = tuple(one for one in area.fleet.aircraft if one.base_id in own)
        low_m, high_m = max(0.0, from_m - margin_m), min(length_m, to_m + margin_m)
        border = replace(
            area.border,
            name=f"{area.border.name}, km {from_m / 1000:.0f} to {to_m / 1000:.0f}",
            xy_m=lines.clip(area.border.xy_m, low_m, high_m),
            core_m=(from_m - low_m, to_m - low_m),
        )
        part = replace(
            area,
            id=f"{area.id}_sector_{k + 1}",
            border=border,
            fleet=Fleet(aircraft=aircraft),
            bases=tuple(base for base in area.bases if base.id in own or base.pads == 0),
        )
        found.append(Sector(number=k + 1, from_m=from_m, to_m=to_m, first_layer=0, area=part))
    tallest = max(len(one.area.fleet.aircraft) for one in found)
    return [replace(one, first_layer=(k % 2) * tallest) for k, one in enumerate(found)]


def plan_border(
    area: Area,
    folder: Path,
    *,
    count: int,
    margin_m: float = MARGIN_M,
    seconds: float | None = None,
    seed: int = 1,
    workers: int = 0,
    scheduler: str = "",
    progress: Progress = lambda *_: None,
) -> Border:
    """Plan every sector, write its plan and the promise for the whole border into `folder`. Sectors whose plan is
    there already, for the same inputs, are kept: an interrupted run goes on."""
    sectors = split(area, count, margin_m=margin_m)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [one for one in sectors if _kept(one, _path(folder, one)) is None]
    done = count - len(wanted)
    progress(done / count, f"{done} of {count} sectors planned before")
    task = (seconds, seed)
    cluster = Cluster(threads=1, workers=workers, scheduler=scheduler)
    for sector, planned in zip(wanted, mapped(_planned, task, wanted, cluster), strict=True):
        planning.save_plan(planned, _path(folder, sector))
        done += 1
        progress(done / count, f"sector {sector.number}: floor {planned.certificate.floor:.3f}")
    promises = []
    for sector in sectors:
        planned = planning.load_plan(_path(folder, sector))
        promises.append(
            Promise(
                number=sector.number,
                from_m=sector.from_m,
                to_m=sector.to_m,
                aircraft_ids=planned.aircraft_ids,
                floor=planned.certificate.floor,
                attack=planned.certificate.attack,
                leak=planned.certificate.leak,
                plan=_path(folder, sector).name,
                plan_sha256=planning.strategy_sha256(planned),
            )
        )
    least = min(promises, key=lambda one: one.floor)
    whole = Border(
        area_id=area.id,
        floor=least.floor,
        margin_m=margin_m,
        sectors=tuple(promises),
        words=f"Every crossing begins in one core and is seen with the probability that its sector promises, so with "
        f"{at_least(least.floor):.2f} or more, within the hours and the model of each sector's certificate. "
        f"The least is that of sector {least.number}.",
    )
    path = folder / "border.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1))
    return whole


def table(whole: Border) -> str:
    """The sectors and the promise for the whole border, in lines."""
    rows = [
        f"sector {one.number}: km {one.from_m / 1000:.1f} to {one.to_m / 1000:.1f}, {len(one.aircraft_ids)} aircraft: "
        f"floor {at_least(one.floor):.2f}, strongest attack found {one.attack:.2f}, if the draw leaks {one.leak:.2f}"
        for one in whole.sectors
    ]
    return "\n".join([*rows, whole.words])


def _path(folder: Path, sector: Sector) -> Path:
    return folder / f"sector_{sector.number}.json"


def _kept(sector: Sector, path: Path) -> Strategy | None:
    """A plan made before for this very sector."""
    if not path.exists():
        return None
    planned = planning.load_plan(path)
    same = planned.input_hashes == sector.area.input_hashes and planned.area_id == sector.area.id
    return planned if same and planned.aircraft_ids == tuple(a.id for a in sector.area.fleet.aircraft) else None


def _planned(task: tuple[float | None, int], sector: Sector) -> Strategy:
    seconds, seed = task
    return planning.plan(sector.area, seconds=seconds, seed=seed, accept_best=True, first_layer=sector.first_layer)
