"""A whole plan with one crew and one pad at a base, a rally point, flights by night: the checker passes it."""

from __future__ import annotations

import itertools

from msgspec.structs import replace
from test_plan import walkers_only

from kuntur.model.assets import Rally
from kuntur.ops import plan as ops
from kuntur.ops.plan_check import check_strategy


def test_a_plan_keeps_to_crews_pads_and_the_night() -> None:
    area = walkers_only()
    crowded = area.fleet.aircraft[1].base_id
    bases = tuple(replace(b, crews=1, pads=1, crew_duty_s=7200.0) if b.id == crowded else b for b in area.bases)
    fleet = replace(area.fleet, aircraft=tuple(replace(a, fly="night") for a in area.fleet.aircraft))
    home = bases[0]
    rally = Rally(
        id="r", name="R", lat_deg=home.lat_deg, lon_deg=home.lon_deg, x_m=home.x_m, y_m=home.y_m + 500.0,
        alt_msl_m=home.alt_msl_m,
    )  # fmt: skip
    need = replace(area.requirement, date="2025-06-21", start_local="19:00", utc_offset_h=-4.0)
    place = replace(area, bases=bases, fleet=fleet, requirement=need, rallies=(rally,))
    planned = ops.plan(place, seconds=4.0, seed=2, accept_best=True)
    assert check_strategy(place, planned) == []
    segments = {s.id: s for s in planned.segments}
    own = [k for k, base_id in enumerate(planned.base_ids) if base_id == crowded]
    assert len(own) > 1, "the base has more aircraft than crews"
    for wave in planned.waves:
        for column in wave.columns:
            spans = sorted(segments[column.segment_ids[k]].t_s for k in own if segments[column.segment_ids[k]].t_s)
            assert all(a[-1] <= b[0] for a, b in itertools.pairwise(spans)), "two in the air, one crew"
