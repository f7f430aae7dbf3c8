"""A simulated night watched: what crosses is tracked and told, what is wrong is counted, and a replay is the same."""

from __future__ import annotations

import asyncio
import json
import math
import time
from pathlib import Path

import flights
import msgspec
import nights
import numpy as np
import pytest

from kuntur.errors import StoreError
from kuntur.model.tracks import Alert, FeedItem, Track
from kuntur.ops import running, screen
from kuntur.ops.watch import Watch, WatchSettings
from kuntur.store.embedded import WatchStore
from kuntur.units import NS_PER_S

SETTINGS = WatchSettings(hold_s=2.0, gap_s=400.0, false_alarms_per_look=0.002)


def watched(items) -> tuple[Watch, list[Alert | Track]]:
    area, _, _ = nights.night()
    watch = Watch(area, settings=SETTINGS)
    out = [change for item in items for change in watch.step(item)]
    return watch, out + watch.finish()


@pytest.fixture(scope="module")
def night() -> tuple[Watch, list[Alert | Track]]:
    return watched(nights.night()[2])


def nearest_m(track: Track) -> float:
    """Distance from a track, as it was at its last detection, to the nearest crosser then."""
    _, world, _ = nights.night()
    t_s = (track.t_ns - nights.START_T_NS) / NS_PER_S
    places = [at for crosser in world.crossers if (at := crosser.at(t_s))]
    return min((math.hypot(x - track.state[0], y - track.state[1]) for x, y in places), default=math.inf)


def test_every_look_is_folded_in_and_nothing_is_wrong(night) -> None:
    watch, _ = night
    counts = watch.counts
    assert counts.looks == 3 * 1000 and counts.items == 9 * 1000
    assert counts.late_looks == counts.missing_looks == counts.wrong_checksums == counts.no_pose == counts.faults == 0
    assert watch.simulated_cameras == {aircraft.id for aircraft in watch.area.fleet.aircraft}
    assert set(watch.platforms) == watch.simulated_cameras
    assert all(p.armed and p.mode == "AUTO" for p in watch.platforms.values())


def test_crossers_are_tracked_where_they_are_and_false_alarms_are_not(night) -> None:
    _, out = night
    confirmed = {track.id: track for track in out if isinstance(track, Track) and track.status == "confirmed"}
    assert len(confirmed) >= 4
    errors = [nearest_m(track) for track in confirmed.values()]
    assert sum(error < 100.0 for error in errors) >= 0.75 * len(errors)


def test_crossings_are_told_once_each_and_near_somebody(night) -> None:
    watch, out = night
    crossings = [alert for alert in watch.alerts if alert.kind == "crossing"]
    assert len(crossings) >= 3
    assert len({alert.id for alert in watch.alerts}) == len(watch.alerts)
    assert [a for a in out if isinstance(a, Alert)] == watch.alerts
    assert any(alert.severity == "urgent" for alert in crossings)


def test_freshness_is_known_where_cameras_looked_and_nowhere_else(night) -> None:
    watch, _ = night
    age_s, cells = watch.freshness()
    assert age_s.shape == (cells.rows, cells.cols)
    x_m, y_m = np.meshgrid(*cells.centres())
    under = (np.abs(x_m - 1500.0) < 400.0) & (np.abs(y_m) < 3500.0)
    far = x_m < -1200.0
    assert np.isfinite(age_s[under]).mean() > 0.9
    assert not np.isfinite(age_s[far]).any()
    assert np.nanmin(age_s) >= 0.0


def test_the_fold_is_the_same_from_the_store(night, tmp_path: Path) -> None:
    """Live through the store and its batches, then replayed: tracks and alerts byte for byte."""
    area, _, items = nights.night()
    live_watch = Watch(area, settings=SETTINGS)
    told: list[str] = []
    with WatchStore(tmp_path) as store:

        async def run() -> None:
            clock = _Clock()
            live = running.RunningWatch(live_watch, store, None, clock, on_alert=lambda alert: told.append(alert.id))
            for start in range(0, len(items), 900):
                for item in items[start : start + 900]:
                    live.feed(item)
                clock.t_ns = items[min(start + 899, len(items) - 1)].t_ns
                await live.batch()
            await live.end()
            assert live.acknowledge(live_watch.alerts[0].id, "officer", "seen")
            assert not live.acknowledge("no such alert", "officer", "")
            live.write_geojson(tmp_path)

        asyncio.run(run())
        stored_alerts, stored_tracks = store.alerts(), store.tracks()
    with WatchStore(tmp_path, read_only=True) as store:
        again = running.replay(area, store)
        assert store.acknowledgements()[0].actor == "officer"
    assert again.settings == SETTINGS
    for value in (lambda w: w.alerts, lambda w: w.paths, lambda w: w.counts, lambda w: w.platforms, lambda w: w.trails):
        assert msgspec.json.encode(value(again)) == msgspec.json.encode(value(live_watch))
    assert again.tracks.cov.tobytes() == live_watch.tracks.cov.tobytes()
    assert again.freshness()[0].tobytes() == live_watch.freshness()[0].tobytes()
    assert stored_alerts == again.alerts and told == [alert.id for alert in again.alerts]
    confirmed = {path[-1].id for path in again.paths.values() if any(t.status == "confirmed" for t in path)}
    assert {track.id for track in stored_tracks} == confirmed


class _Clock:
    speed = 1.0
    t_ns = nights.START_T_NS

    def now_ns(self) -> int:
        return self.t_ns


def test_order_of_arrival_between_aircraft_does_not_matter(night) -> None:
    """Packets out of step by less than the hold give the same tracks."""
    _, out = night
    items = list(nights.night()[2])
    rng = np.random.default_rng(0)
    held = [
        msgspec.structs.replace(i, t_ns=i.t_ns + int(rng.uniform(0, 1.2e9))) if i.kind == "klv" else i for i in items
    ]
    _, shuffled = watched(sorted(held, key=lambda i: i.t_ns))
    tracks = lambda changes: [c for c in changes if isinstance(c, Track)]  # noqa: E731
    assert msgspec.json.encode(tracks(shuffled)) == msgspec.json.encode(tracks(out))


def test_damage_is_counted_and_never_stops_the_watch() -> None:
    items = nights.night()[2][:600]
    rng = np.random.default_rng(1)
    damaged = []
    for k, item in enumerate(items):
        octets = bytearray(item.payload)
        if k % 7 == 0:
            octets[int(rng.integers(len(octets)))] ^= 0x55
        elif k % 11 == 0:
            octets = octets[: int(rng.integers(len(octets)))]
        elif k % 13 == 0:
            octets = bytearray(rng.bytes(40))
        if k % 17:
            damaged.append(msgspec.structs.replace(item, payload=bytes(octets)))
    watch, _ = watched(damaged)
    counts = watch.counts
    assert counts.wrong_checksums > 0 and counts.damaged_packets > 0 and counts.junk_octets > 0
    assert counts.damaged_frames > 0 and counts.missing_looks > 0
    assert 0 < counts.looks < 200


def test_items_from_strangers_are_counted() -> None:
    area, _, items = nights.night()
    watch = Watch(area, settings=SETTINGS)
    watch.step(FeedItem(t_ns=1, source="somebody", kind="mavlink", payload=items[0].payload))
    assert watch.counts.unknown_aircraft == 1 and watch.platforms == {}


def test_an_aircraft_that_goes_silent_is_told() -> None:
    area, _, items = nights.night()
    watch = Watch(area, settings=SETTINGS)
    for item in items[:90]:
        watch.step(item)
    later = [
        FeedItem(t_ns=items[89].t_ns + k * 30 * NS_PER_S, source="clock", kind="clock", payload=b"") for k in range(5)
    ]
    told = [change for item in later for change in watch.step(item)]
    assert sorted(a.aircraft_id for a in told if isinstance(a, Alert)) == sorted(a.id for a in area.fleet.aircraft)


def test_a_night_without_aircraft_is_one_gap_when_they_should_be_up() -> None:
    """Tasked but nobody flies: told. Not tasked: silence is all right."""
    area, _, _ = nights.night()
    sorties = [flights.sortie(area, area.fleet.aircraft[0], t0_s=0.0)]
    tasking = flights.tasking(sorties, start_t_ns=nights.START_T_NS)
    ticks = [
        FeedItem(t_ns=nights.START_T_NS + k * 30 * NS_PER_S, source="clock", kind="clock", payload=b"")
        for k in range(30)
    ]
    for known, told in ((tasking, 1), (None, 0)):
        watch = Watch(area, tasking=known, settings=SETTINGS)
        raised = [change for item in ticks for change in watch.step(item)]
        assert [a.kind for a in raised if isinstance(a, Alert)] == ["coverage_gap"] * told
        assert all(a.tasking_sha256 for a in watch.alerts)


def test_detections_in_a_no_look_zone_are_dropped() -> None:
    area, _, items = nights.night()
    everywhere = msgspec.structs.replace(
        area.zones[0], xy_m=np.array([[-9e3, -9e3], [9e3, -9e3], [9e3, 9e3], [-9e3, 9e3]])
    )
    watch = Watch(msgspec.structs.replace(area, zones=(everywhere,)), settings=SETTINGS)
    out = [change for item in items for change in watch.step(item)]
    assert watch.counts.not_looked_at > 10 and not any(isinstance(change, Track) for change in out)


# --- what is shown


def test_the_screen_shows_the_present(night) -> None:
    watch, _ = night
    live = screen.view(watch, speed=200.0, simulated=("terrain",))
    assert live.simulated == ("terrain", "cameras") and live.t_ns == watch.t_ns
    assert "3 aircraft up" in live.phase_en and "3 aeronaves en vuelo" in live.phase_es
    assert [a.kind for a in live.aircraft].count("multirotor") == 2
    for aircraft in live.aircraft:
        assert aircraft.height_agl_m == pytest.approx(350.0, abs=2.0)
        assert aircraft.heading_deg == 90.0 and len(aircraft.trail) > 5
    assert len(live.footprints) == 3 and all(len(f.ring_lonlat) >= 3 for f in live.footprints)
    assert len(live.alerts) == len(watch.alerts) and live.alerts[0].t_ns >= live.alerts[-1].t_ns
    for track in live.tracks:
        assert track.semi_major_m >= track.semi_minor_m > 0.0 and 0.0 <= track.course_deg < 360.0
    started = time.perf_counter()
    for _ in range(10):
        msgspec.json.encode(screen.view(watch))
    assert (time.perf_counter() - started) / 10 < 0.05


def test_geojson_is_what_maps_read(night) -> None:
    watch, _ = night
    tracks = json.loads(msgspec.json.encode(screen.tracks_geojson(watch, ("terrain",))))
    alerts = json.loads(msgspec.json.encode(screen.alerts_geojson(watch.alerts)))
    assert tracks["type"] == alerts["type"] == "FeatureCollection" and tracks["simulated"] == ["terrain"]
    assert len(tracks["features"]) >= 4 and len(alerts["features"]) == len(watch.alerts)
    for feature in tracks["features"]:
        lon, lat = np.array(feature["geometry"]["coordinates"]).reshape(-1, 2)[0]
        assert -69.1 < lon < -68.9 and -18.2 < lat < -18.0
        assert feature["properties"]["hits"] >= 2


def test_a_finished_watch_is_followed_to_its_end_and_a_strange_store_refused(tmp_path: Path) -> None:
    area, _, items = nights.night()
    part = items[:900]

    async def run() -> tuple[int, int]:
        clock = _Clock()
        with WatchStore(tmp_path / "store") as store:
            live = running.RunningWatch(Watch(area, settings=SETTINGS), store, None, clock)
            for item in part:
                live.feed(item)
            clock.t_ns = part[-1].t_ns
            task = asyncio.create_task(live.run())
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        followed = running.FollowedWatch(area, tmp_path / "store", speed=1000.0)
        assert followed.ended and followed.snapshot().speed == 1000.0
        await asyncio.wait_for(followed.run(), 20.0)
        return live.watch.counts.looks, followed.watch.counts.looks

    lived, followed = asyncio.run(run())
    assert lived == followed == 300
    WatchStore(tmp_path / "strange").close()
    with pytest.raises(StoreError, match="does not say how"):
        running.FollowedWatch(area, tmp_path / "strange")
