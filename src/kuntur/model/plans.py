"""Plans: what is flown, the mixture it is drawn from, and what that mixture is proven to achieve.

These go into `plan.json` as they stand (msgspec JSON), so they hold plain tuples, not arrays.
Times `t_s` are seconds after the start of the watch; positions are in the area's local frame.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

LookKind = Literal["sweep", "border", "stare"]


class Look(Struct, frozen=True, array_like=True):
    """What the camera does along a leg: a sweep all round, or the search of one sector (`visibility.looks`).

    azimuth_rad: the sector's middle from the frame's north, held whatever the aircraft's heading; 0 for a sweep.
    """

    kind: LookKind = "sweep"
    azimuth_rad: float = 0.0


SWEEP = Look()


class Segment(Struct, frozen=True, kw_only=True):
    """One aircraft's motion in one wave: straight between the listed points, at constant speed on each piece.

    t_s, x_m, y_m, alt_msl_m: same length >= 2, t_s increasing; first and last lie on the wave's boundaries (or are the
    take-off / landing inside the wave). A segment that stays on the ground has no points.
    looks: one for each leg between points; empty: sweeps all the way.
    """

    id: int
    aircraft_id: str
    wave: int
    t_s: tuple[float, ...]
    x_m: tuple[float, ...]
    y_m: tuple[float, ...]
    alt_msl_m: tuple[float, ...]
    energy_wh: float
    """Electrical energy, rounded up; combustion aircraft count in `endurance_s`."""
    endurance_s: float
    looks: tuple[Look, ...] = ()


class Column(Struct, frozen=True, kw_only=True):
    """One joint choice for one wave: a segment id per aircraft, chosen with probability weight / weight_total.

    begins, ends: the layout (joint hub places) it leads from and to. The draw of a wave is among the columns that begin
    in the layout the wave before ended in; their weights add up to the total for each such layout.
    """

    segment_ids: tuple[int, ...]
    weight: int
    begins: int = 0
    ends: int = 0


class Wave(Struct, frozen=True, kw_only=True):
    start_s: float
    end_s: float
    columns: tuple[Column, ...]


class Solved(Struct, frozen=True, kw_only=True):
    """The solver as it stood t_s after its start. attack, ceiling: None where not computed at that moment."""

    t_s: float
    floor: float
    attack: float | None = None
    ceiling: float | None = None


class Certificate(Struct, frozen=True, kw_only=True):
    """Three numbers, never one, and the attacker each is about. All are probabilities that a crossing is detected.

    floor: exact value against a crosser who learns each wave's draw as it begins (the segment game), the lower of the
    planning lattice and the audit on a finer one. attack: what the best attack found by an uninformed crosser leaves
    (an upper estimate of that crosser's value: found, not proven). ceiling: no schedule of this fleet can exceed it
    (additive game). leak: exact value if the whole night's draw is known beforehand.
    """

    floor: float
    floor_planning: float
    floor_audit: float
    attack: float
    ceiling: float
    leak: float
    class_floors: dict[str, float]
    """Floor against each class of crosser, also outside the requirement; `floor` is the lowest of those inside."""
    crosser_class: str
    planning_cell_m: float
    planning_step_s: float
    audit_cell_m: float
    audit_step_s: float
    rounds: int
    solve_s: float
    attackers: dict[str, str]
    """floor/attack/ceiling/leak -> one sentence naming the attacker meant and the model it holds in."""
    caveats: tuple[str, ...]
    from_s: float = 0.0
    until_s: float | None = None
    """All numbers are about crossings that begin at from_s or later and are through by until_s (None: the end):
    before, the aircraft are on the way to their stations, after, on the way home."""
    certainty_prob: float | None = None
    """How certain each sight line is that the floor counts on; None: the terrain's error is unknown, no margin kept."""
    terrain_sigma_m: float | None = None
    terrain_correlation_m: float | None = None
    """The vertical error that the margin was taken for."""
    uninformed_floor: float | None = None
    """Proven by pruning: no route of a crosser who sees no draw is detected less often. None: not computed."""
    doubted: tuple[tuple[float, float], ...] = ()
    """(theta, floor) if every look is worth only the share theta of what the model says, all looks alike."""
    reveal: tuple[tuple[float, float], ...] = ()
    """(minutes, detection) for a crosser who is told all draws of that many minutes ahead: estimates, not bounds."""
    history: tuple[Solved, ...] = ()
    schedule_sha256: str = ""
    """`patrol.draw.schedule_sha256` of the schedule all of this was computed on. Empty: not stated; never flown."""
    seed: int | None = None
    """Of attack, ceiling, leak and reveal, which sample: with it anybody computes the same numbers again."""


class Strategy(Struct, frozen=True, kw_only=True):
    """A mixture over joint schedules, drawn wave by wave, independently."""

    area_id: str
    watch_duration_s: float
    weight_total: int
    aircraft_ids: tuple[str, ...]
    base_ids: tuple[str, ...]
    """The base of each aircraft, in the same order."""
    segments: tuple[Segment, ...]
    waves: tuple[Wave, ...]
    certificate: Certificate
    input_hashes: dict[str, str]
    simulated: tuple[str, ...]
    """What in this plan is sketched or simulated, in words ("sketched terrain"); empty when nothing is."""
    frame_lat0_deg: float
    frame_lon0_deg: float


class Sortie(Struct, frozen=True, kw_only=True):
    """One flight from take-off to landing: the drawn segments of consecutive waves joined."""

    id: str
    aircraft_id: str
    base_id: str
    t_s: tuple[float, ...]
    x_m: tuple[float, ...]
    y_m: tuple[float, ...]
    alt_msl_m: tuple[float, ...]
    energy_wh: float
    endurance_s: float
    looks: tuple[Look, ...] = ()
    """One for each leg between points; empty: sweeps all the way."""


class Tasking(Struct, frozen=True, kw_only=True):
    """One night: the columns drawn, from a seed committed in the record before (sha256) and revealed after."""

    strategy_sha256: str
    seed_commitment: str
    start_t_ns: int
    column_indices: tuple[int, ...]
    sorties: tuple[Sortie, ...]
