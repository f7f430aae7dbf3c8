"""Review: all of a watch again from what was kept of it, and whether the record can be believed.

`verify_text` and `recover` need the record's folder alone; `gather` reads a watch folder:

    folder/
      record/          the tamper-evident record
      store/           the watch as it arrived (and its alerts and acknowledgements)
      checkpoint.txt   the copy for the overseer
      report.html      what this module writes
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from kuntur.codecs import klv, mavlink, misb, missions
from kuntur.errors import InfeasibleError, LinkError, RecordError
from kuntur.geodesy import frames, lines
from kuntur.model.place import Area
from kuntur.model.plans import Sortie, Strategy, Tasking
from kuntur.model.records import Actor, LogEntry, Purpose
from kuntur.model.tracks import Alert, FeedItem, PlatformState, SensorPose, Track
from kuntur.ops import account, report, running
from kuntur.ops.account import Crossing, FloatArray, Redraw, Review, Tried
from kuntur.ops.fly import mission_sha256
from kuntur.oversight.audit import LEAVES, Verification, audit
from kuntur.oversight.policy import DEFAULT_POLICY, Policy
from kuntur.patrol import draw
from kuntur.sim.world import SimulatedCrosser, World, camera_search, true_crosser
from kuntur.store import record as record_store
from kuntur.store.embedded import WatchStore
from kuntur.units import NS_PER_S

if TYPE_CHECKING:
    from kuntur.ops.trial import Trial

Progress = Callable[[float, str], None]

NEAR_M = 150.0  # chosen: within this and three standard deviations a track or alert is taken to be of that crosser
REPORT = "report.html"
STORE = "store"
POSITION_MESSAGE = 33  # GLOBAL_POSITION_INT of the MAVLink common message set
RECOVERY = Purpose(code="test", text="recovery of the record")


def quiet(fraction: float, words: str) -> None:
    """No progress wanted."""


# --- the record


def verify(record: Path, checkpoint: Path | None = None, key: Path | None = None) -> Verification:
    """Check a record folder, against a checkpoint and a public key kept outside where given."""
    note, trusted = (_text(path) if path is not None else None for path in (checkpoint, key))
    return record_store.verify(record, outside_note=note, outside_key=trusted)


def verify_text(record: Path, checkpoint: Path | None = None, key: Path | None = None) -> str:
    """The verdict in words; RecordError, naming the first bad entry, when the record is not intact."""
    result = verify(record, checkpoint, key)
    if not result.ok:
        more = f" ({len(result.findings) - 1} more findings follow from it or beside it)" * (len(result.findings) > 1)
        raise RecordError(
            f"The record {record} is {result.verdict}. First: {result.findings[0]}.{more}",
            remedy=(
                "Run `kuntur record recover` on it."
                if result.verdict == "interrupted"
                else "Keep the folder as it is and compare it with the overseer's checkpoint and with other copies."
            ),
        )
    kept = "" if checkpoint else " No checkpoint kept outside was given: a record cut back or rewritten would not show."
    notes = "".join(f"\n  {note}" for note in result.notes)
    return (
        f"The record is intact: {result.entries} entries, {result.checkpoints} signed checkpoints, all of them covered."
        f"{kept}\n  origin {result.origin}\n  root   {result.root_sha256}\n  key    {result.key}{notes}"
    )


def recover(record: Path, actor: Actor, *, keys_folder: Path | None = None) -> str:
    """Finish an append that a power cut left unfinished; says what was found."""
    entry = record_store.recover(record, t_ns=time.time_ns(), actor=actor, purpose=RECOVERY, keys_folder=keys_folder)
    if entry is None:
        return f"The record {record} has nothing to recover."
    not_done = ", ".join(str(index) for index in entry.detail["not_done"]) or "none"
    return (
        f"Recovered: entry {entry.index} says so. Bytes of a half-written entry kept in it: "
        f"{entry.detail['cut_off_bytes']}; entries announced but not done: {not_done}."
    )


def prove_entry(record: Path, index: int) -> dict[str, object]:
    """What somebody who may see one entry alone needs to check it against a checkpoint: RFC 6962 inclusion proof."""
    data, _ = record_store.read(record)
    result, _ = audit(data)
    if not 0 <= index < result.covered:
        raise RecordError(f"{record / LEAVES} has no signed entry {index}.", remedy=f"Use 0 to {result.covered - 1}.")
    tree = record_store.tree(data)
    return {
        "entry": data.entries.split(b"\n")[index].decode("utf-8"),
        "index": index,
        "size": result.covered,
        "root_sha256": tree.root(result.covered).hex(),
        "proof": [step.hex() for step in tree.inclusion_proof(index, result.covered)],
    }


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} cannot be read: {error}.", remedy="Name the file you kept.") from error


# --- what the feed held


class Feed(Struct, frozen=True, kw_only=True):
    """A stored feed read once: pictures and flights in time order, and the simulation's truth where there is any.

    found: (time, index into World.crossers) of each detection that was of a simulated crosser. flights: aircraft id ->
    (n, 4) t_s, x, y, alt_msl. unreadable: items that held nothing usable.
    """

    pictures: tuple[SensorPose, ...]
    found: tuple[tuple[int, int], ...]
    flights: dict[str, FloatArray]
    unreadable: int


def read_feed(area: Area, items: Iterable[FeedItem], start_t_ns: int) -> Feed:
    """Decode every item of a feed; what cannot be read is counted, not guessed."""
    size = {one.id: (one.camera.columns_px, one.camera.rows_px) for one in area.fleet.aircraft}
    pictures: list[SensorPose] = []
    found: list[tuple[int, int]] = []
    states: dict[str, PlatformState] = {}
    flights: dict[str, list[tuple[int, float, float, float]]] = {}
    unreadable = 0
    for item in items:
        if item.kind == "klv":
            poses, truths = _picture(area, item, size)
            pictures += poses
            found += truths
            unreadable += not poses
        elif item.kind == "mavlink" and _may_be_position(item.payload):
            aircraft_id = item.source
            try:
                state = mavlink.decode(item.payload, states.get(aircraft_id), t_ns=item.t_ns, aircraft_id=aircraft_id)
            except LinkError:
                unreadable += 1
                continue
            if state is not None and state is not states.get(aircraft_id):
                states[aircraft_id] = state
                flights.setdefault(aircraft_id, []).append((state.t_ns, state.lat_deg, state.lon_deg, state.alt_msl_m))
    return Feed(
        pictures=tuple(sorted(pictures, key=lambda pose: pose.t_ns)),
        found=tuple(found),
        flights={name: _local(area, rows, start_t_ns) for name, rows in flights.items()},
        unreadable=unreadable,
    )


def _may_be_position(frame: bytes) -> bool:
    """False for MAVLink 2 frames of another kind than GLOBAL_POSITION_INT; flights are counted from those alone."""
    return frame[:1] != b"\xfd" or int.from_bytes(frame[7:10], "little") == POSITION_MESSAGE


def _picture(
    area: Area, item: FeedItem, size: dict[str, tuple[int, int]]
) -> tuple[list[SensorPose], list[tuple[int, int]]]:
    poses: list[SensorPose] = []
    truths: list[tuple[int, int]] = []
    for packet in klv.walk(item.payload).packets:
        if packet.checksum != "right":
            continue
        values = misb.decode(packet).values
        aircraft_id = str(values.get("platform_tail_number", item.source))
        columns, rows = size.get(aircraft_id, (0, 0))
        pose = misb.sensor_pose(values, aircraft_id, area.geoid, columns_px=columns, rows_px=rows)
        if isinstance(pose, str):
            continue
        poses.append(pose)
        for target in values.get("vmti", {}).get("targets", ()):
            crosser = true_crosser(int(target["id"]))
            if crosser is not None:
                truths.append((pose.t_ns, crosser))
    return poses, truths


def _local(area: Area, rows: Sequence[tuple[int, float, float, float]], start_t_ns: int) -> FloatArray:
    """Rows of time, latitude, longitude and height as (n, 4) t_s, x, y, alt_msl, one a second at most."""
    table = np.array([((t - start_t_ns) / NS_PER_S, lat, lon, alt) for t, lat, lon, alt in rows])
    table = table[np.argsort(table[:, 0], kind="stable")]
    _, first = np.unique(np.floor(table[:, 0]), return_index=True)
    table = table[first]
    x_m, y_m = frames.to_local(area.frame, table[:, 1], table[:, 2])
    return np.column_stack([table[:, 0], x_m, y_m, table[:, 3]])


# --- truth against what the watch made of it


def crossings(
    area: Area,
    world: World,
    found: Sequence[tuple[int, int]],
    tracks: Sequence[Track],
    alerts: Sequence[Alert],
    start_t_ns: int,
) -> tuple[tuple[Crossing, ...], int]:
    """Each simulated crosser and what became of it; and how many alerts of movers had no crosser near them.

    A track or an alert is of the nearest crosser within NEAR_M and three standard deviations of it at that moment.
    """
    counts = np.bincount([index for _, index in found], minlength=len(world.crossers))
    tracked, alerted = set(), set()
    for track in tracks:
        spread_m = 3.0 * float(np.sqrt(max(track.cov[0], track.cov[5])))
        near = _nearest(world, (track.t_ns - start_t_ns) / NS_PER_S, track.state[0], track.state[1], spread_m)
        if near is not None and track.hits >= 2 and track.status != "tentative":
            tracked.add(near)
    of_track = {track.id: track for track in tracks}
    unexplained = 0
    for alert in alerts:
        if alert.kind not in ("crossing", "approach", "zone_entry") or alert.lat_deg is None or alert.lon_deg is None:
            continue
        x_m, y_m = frames.to_local(area.frame, alert.lat_deg, alert.lon_deg)
        behind = of_track.get(alert.track_id) if alert.track_id is not None else None
        spread_m = 3.0 * float(np.sqrt(max(behind.cov[0], behind.cov[5]))) if behind is not None else 0.0
        near = _nearest(world, (alert.t_ns - start_t_ns) / NS_PER_S, float(x_m), float(y_m), spread_m)
        if near is None:
            unexplained += 1
        else:
            alerted.add(near)
    return (
        tuple(
            _crossing(area, crosser, int(counts[k]), tracked=k in tracked, alerted=k in alerted)
            for k, crosser in enumerate(world.crossers)
        ),
        unexplained,
    )


def _nearest(world: World, t_s: float, x_m: float, y_m: float, spread_m: float) -> int | None:
    best, best_m = None, NEAR_M + spread_m
    for k, crosser in enumerate(world.crossers):
        at = crosser.at(t_s)
        if at is not None and (away_m := float(np.hypot(at[0] - x_m, at[1] - y_m))) <= best_m:
            best, best_m = k, away_m
    return best


def _crossing(area: Area, crosser: SimulatedCrosser, detections: int, *, tracked: bool, alerted: bool) -> Crossing:
    x_m, y_m = np.array(crosser.x_m), np.array(crosser.y_m)
    chainage, inward = lines.inward_offset(area.border.xy_m, area.border.ours, x_m, y_m)
    over = int(np.argmax(inward >= 0.0)) if (inward >= 0.0).any() else int(np.argmax(inward))
    return Crossing(
        id=crosser.id,
        crosser_class=crosser.crosser_class,
        required=all(known.required for known in area.crossers if known.id == crosser.crosser_class),
        adaptive=not crosser.id.startswith("naive"),
        crossed_s=float(crosser.t_s[over]),
        chainage_m=float(chainage[over]),
        xy_m=tuple(zip(crosser.x_m, crosser.y_m, strict=True)),
        detections=detections,
        tracked=tracked,
        alerted=alerted,
    )


def flown(
    sorties: Sequence[Sortie], flights: dict[str, FloatArray], entries: Sequence[LogEntry]
) -> tuple[account.FlownSortie, ...]:
    """Each planned sortie against the telemetry of its aircraft, with the end of it that the record tells."""
    silent: NDArray[np.float64] = np.empty((0, 4))
    ends = {str(e.detail.get("sortie")): e for e in entries if e.action in ("end_of_flight", "not_flown")}
    return tuple(
        replace(
            account.flown(sortie, *flights.get(sortie.aircraft_id, silent).T), outcome=_outcome(ends.get(sortie.id))
        )
        for sortie in sorties
    )


def _outcome(entry: LogEntry | None) -> str:
    if entry is None:
        return ""
    if entry.action == "not_flown":
        return f"not_flown: {entry.detail.get('reason', '')}"
    why = str(entry.detail.get("why", ""))
    return str(entry.detail.get("status", "")) + (f": {why}" if why else "")


# --- the whole review


def gather(
    area: Area,
    strategy: Strategy | None,
    tasking: Tasking | None,
    folder: Path,
    *,
    world: World | None = None,
    trial: Trial | None = None,
    replay_agrees: bool | None = None,
    store: str = STORE,
    policy: Policy = DEFAULT_POLICY,
    progress: Progress = quiet,
) -> Review:
    """Read a watch folder and count. world: the simulated crossers, where the watch was a simulation.

    trial, replay_agrees: results of `ops.trial.trial` and `replay_agrees` to report with the rest. store: which of the
    folder's watches.
    """
    with WatchStore(folder / store, read_only=True) as kept:
        alerts, tracks, acknowledgements = kept.alerts(), kept.tracks(), kept.acknowledgements()
        losses = tuple(f"items {loss.first_seq} to {loss.last_seq}: {loss.reason}" for loss in kept.losses())
        start_t_ns = tasking.start_t_ns if tasking is not None else _first_t_ns(kept)
        progress(0.1, "reading the feed")
        feed = read_feed(area, kept.items(), start_t_ns)
    progress(0.6, "following the pictures to the ground")
    pictures = account.poses(area, feed.pictures, start_t_ns)
    reach_m = {one.id: camera_search(area, one)[1] for one in area.fleet.aircraft}
    duration_s = area.requirement.duration_s
    seen, unexplained = crossings(
        area, world or World(area_id=area.id, seed=0, crossers=()), feed.found, tracks, alerts, start_t_ns
    )
    data, _ = record_store.read(folder / "record")
    verification, entries = audit(data)
    planned = tasking.sorties if tasking is not None else ()
    progress(0.8, "counting")
    return Review(
        start_t_ns=start_t_ns,
        duration_s=duration_s,
        simulated=simulated_words(strategy, entries),
        certificate=strategy.certificate if strategy is not None else None,
        crossings=seen,
        unexplained_alerts=unexplained,
        looks=account.summarise_looks(account.looks(area, pictures), policy.look_across_max_m),
        coverage=account.coverage(area, pictures, reach_m, duration_s),
        flown=flown(planned, feed.flights, entries),
        planned=planned,
        paths={name: table[:, 1:3] for name, table in feed.flights.items()},
        alerts=tuple(alerts),
        acknowledgements=tuple(acknowledgements),
        entries=entries,
        verification=verification,
        checkpoint=record_store.newest_note(data),
        inputs=inputs(area, strategy, tasking, entries),
        replay_agrees=replay_agrees,
        losses=losses,
        unreadable=feed.unreadable,
        tried=_tried(trial),
        redraws=redraws(area, strategy, entries) if strategy is not None and verification.ok else (),
    )


def replay_agrees(
    area: Area,
    strategy: Strategy | None,
    tasking: Tasking | None,
    folder: Path,
    *,
    store: str = STORE,
    progress: Progress = quiet,
) -> bool:
    """Fold the stored feed again, by the code that ran live, and see whether it raises the same alerts."""
    with WatchStore(folder / store, read_only=True) as kept:
        again = running.replay(area, kept, strategy=strategy, tasking=tasking, progress=progress)
        return again.alerts == kept.alerts()


def redraws(area: Area, strategy: Strategy, entries: Sequence[LogEntry]) -> tuple[Redraw, ...]:
    """Make every revealed draw again and compare the missions launched between its commitment and its revelation."""
    plan = draw.strategy_sha256(strategy)
    commitments = {e.outputs.get("commitment", ""): e for e in entries if e.action == "commit_draw"}
    found = []
    for reveal in entries:
        if reveal.action != "reveal_draw":
            continue
        seed = bytes.fromhex(str(reveal.detail.get("seed", "")))
        commit = commitments.get(draw.commitment(seed))
        if commit is None:
            continue  # the audit of the record has found it
        launched = [e for e in entries[commit.index : reveal.index] if e.action == "launch"]
        same_plan = commit.inputs.get("strategy") == plan
        tasking = draw.draw(strategy, seed, int(commit.detail.get("start_t_ns", 0))) if same_plan else None
        known = _mission_hashes(area, tasking.sorties) if tasking is not None else set()
        found.append(
            Redraw(
                revealed_at=reveal.index,
                same_plan=same_plan,
                sorties=len(tasking.sorties) if tasking is not None else 0,
                launches=len(launched),
                strangers=tuple(e.index for e in launched if (e.subject, e.inputs.get("mission", "")) not in known),
            )
        )
    return tuple(found)


def _mission_hashes(area: Area, sorties: Sequence[Sortie]) -> set[tuple[str, str]]:
    """Aircraft and hash of the mission that `ops.fly` puts on board for each of these sorties."""
    aircraft = {one.id: one for one in area.fleet.aircraft}
    bases = {base.id: base for base in area.bases}
    hashes = set()
    for sortie in sorties:
        with suppress(InfeasibleError):
            timed = missions.from_sortie(
                sortie, bases[sortie.base_id], aircraft[sortie.aircraft_id], area.frame, area.weather
            )
            hashes.add((sortie.aircraft_id, mission_sha256(timed)))
    return hashes


def _tried(trial: Trial | None) -> Tried | None:
    if trial is None:
        return None
    shares = {
        str(one.kind): account.share(one.detected, one.crossings, confidence=trial.confidence) for one in trial.outcomes
    }
    predicted = tuple((b.crossings, b.predicted_prob, b.detected / b.crossings, b.most_prob) for b in trial.bins)
    return Tried(nights=trial.nights, floor_prob=trial.floor_prob, shares=shares, predicted=predicted)


def simulated_words(strategy: Strategy | None, entries: Sequence[LogEntry]) -> tuple[str, ...]:
    """What was not real, as the plan and the session's first entry say, each once."""
    words = list(strategy.simulated) if strategy is not None else []
    for entry in entries:
        if entry.action == "open":
            words += [str(word) for word in entry.detail.get("simulated", [])]
    return tuple(dict.fromkeys(words))


def inputs(
    area: Area, strategy: Strategy | None, tasking: Tasking | None, entries: Sequence[LogEntry]
) -> dict[str, str]:
    """Name -> SHA-256 of everything the watch stands on: the area's files, plan, draw, policy."""
    hashes = dict(area.input_hashes)
    if tasking is not None:
        hashes["plan"] = tasking.strategy_sha256
        hashes["draw (commitment)"] = tasking.seed_commitment
    elif strategy is not None:
        hashes.update({f"plan: {name}": value for name, value in strategy.input_hashes.items()})
    for entry in entries:
        if entry.action == "open" and "policy" in entry.inputs:
            hashes["policy"] = entry.inputs["policy"]
    return hashes


def write_report(review: Review, area: Area, path: Path) -> Path:
    """Write the page, whole or not at all."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(report.html(review, area), encoding="utf-8")
    draft.replace(path)
    return path


def _first_t_ns(store: WatchStore) -> int:
    return next((item.t_ns for item in store.items()), 0)
