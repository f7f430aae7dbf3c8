"""A small watch kept on disk as the real one is, reviewed: every number of the report can be foretold."""

from __future__ import annotations

import asyncio
import hashlib
from html.parser import HTMLParser
from pathlib import Path

import nights
import numpy as np
import pytest
import strategies
from msgspec.structs import replace
from places import ridge_area
from pymavlink.dialects.v20 import ardupilotmega as dialect

from kuntur.codecs import mavlink, missions
from kuntur.errors import RecordError
from kuntur.geodesy import frames, grid
from kuntur.model.place import Area
from kuntur.model.plans import Certificate, Sortie, Strategy, Tasking
from kuntur.model.records import Actor, LogEntry, Purpose
from kuntur.model.tracks import Acknowledgement, Alert, FeedItem, Track
from kuntur.ops import report, review
from kuntur.ops.account import Redraw, Review, Tried, achieved, share
from kuntur.ops.fly import mission_sha256
from kuntur.ops.running import RunningWatch
from kuntur.ops.session import CHECKPOINT_COPY, Session
from kuntur.ops.watch import Watch, WatchSettings
from kuntur.patrol import draw
from kuntur.sim.world import SimulatedCamera, SimulatedCrosser, World
from kuntur.store.embedded import WatchStore

START_NS = 1_800_000_000_000_000_000
SEED = bytes(range(32))
WING = "fixed_wing-1"


def certificate(floor: float) -> Certificate:
    return Certificate(
        floor=floor,
        floor_planning=floor,
        floor_audit=floor,
        attack=0.61,
        ceiling=0.83,
        leak=0.07,
        class_floors={"walker": floor, "driver": 0.04},
        crosser_class="walker",
        planning_cell_m=240.0,
        planning_step_s=120.0,
        audit_cell_m=120.0,
        audit_step_s=60.0,
        rounds=3,
        solve_s=1.0,
        attackers={"floor": "a <walker> & friend"},
        caveats=("made up for a test",),
    )


def strategy(floor: float = 0.3) -> Strategy:
    return Strategy(
        area_id="test-ridge",
        watch_duration_s=3600.0,
        weight_total=1,
        aircraft_ids=(WING,),
        base_ids=("north",),
        segments=(),
        waves=(),
        certificate=certificate(floor),
        input_hashes={},
        simulated=("sketched terrain",),
        frame_lat0_deg=0.0,
        frame_lon0_deg=0.0,
    )


@pytest.fixture(scope="module")
def area() -> Area:
    return replace(ridge_area(), input_hashes={"border.geojson": "ab" * 32})


def sortie(area: Area) -> Sortie:
    base = area.bases[0]
    x_m = np.array([base.x_m, 1500.0, 1500.0, base.x_m])
    y_m = np.array([base.y_m, 2000.0, -2000.0, base.y_m])
    alt = np.array([base.alt_msl_m, 4750.0, 4750.0, base.alt_msl_m])
    return Sortie(
        id="s-1",
        aircraft_id=WING,
        base_id=base.id,
        t_s=(0.0, 140.0, 340.0, 600.0),
        x_m=tuple(x_m),
        y_m=tuple(y_m),
        alt_msl_m=tuple(alt),
        energy_wh=1.0,
        endurance_s=0.0,
    )


def walkers() -> World:
    """Three cross eastwards: one under the flight, one an hour's walk away, one after it."""
    starts = {"adaptive-1": (200.0, 0.0), "naive-1": (200.0, 4300.0), "naive-2": (2000.0, 0.0)}
    return World(
        area_id="test-ridge",
        seed=1,
        crossers=tuple(
            SimulatedCrosser(
                id=name,
                crosser_class="walker",
                target="light_vehicle",  # seen from farther, so that one short flight finds it
                t_s=(t, t + 1000.0),
                x_m=(800.0 - 1400.0 * (y != 0.0), 1800.0),
                y_m=(y, y),
            )
            for name, (t, y) in starts.items()
        ),
    )


def feed(area: Area, world: World) -> list[FeedItem]:
    """What one aircraft that flies its sortie exactly would send: a position and a picture a second."""
    plan, camera = sortie(area), SimulatedCamera(area, area.fleet.aircraft[0], world, START_NS, seed=3)
    packer = mavlink.Packer(1, 1)
    items = []
    for t_s in range(601):
        x, y, z = (float(np.interp(t_s, plan.t_s, c)) for c in (plan.x_m, plan.y_m, plan.alt_msl_m))
        lat, lon = (float(v) for v in frames.to_geodetic(area.frame, x, y))
        said = dialect.MAVLink_global_position_int_message(
            t_s * 1000, round(lat * 1e7), round(lon * 1e7), round(z * 1000), 0, 0, 0, 0, 0
        )
        t_ns = START_NS + t_s * 10**9
        items.append(FeedItem(t_ns=t_ns, source=WING, kind="mavlink", payload=packer.frame(said)))
        if z > float(grid.height_at(area.terrain, x, y)) + 50.0:
            packet = camera.look(t_ns, lat, lon, z)
            items.append(FeedItem(t_ns=t_ns, source="klv", kind="klv", payload=packet))
    items.append(FeedItem(t_ns=START_NS + 601 * 10**9, source="klv", kind="klv", payload=b"junk"))
    return items


def alert(area: Area, name: str, t_s: float, x_m: float, y_m: float) -> Alert:
    lat, lon = (float(v) for v in frames.to_geodetic(area.frame, x_m, y_m))
    return Alert(
        id=name,
        t_ns=START_NS + round(t_s * 1e9),
        kind="crossing",
        severity="urgent",
        text_en=f"mover {name}",
        text_es=f"móvil {name}",
        lat_deg=lat,
        lon_deg=lon,
        chainage_m=1000.0,
        track_id=7 if name == "true" else None,
    )


def track(x_m: float, y_m: float, t_s: float) -> Track:
    cov = np.diag([400.0, 400.0, 1.0, 1.0]).ravel()
    return Track(
        id=7,
        t_ns=START_NS + round(t_s * 1e9),
        first_t_ns=START_NS,
        state=(x_m, y_m, 1.0, 0.0),
        cov=tuple(cov.tolist()),
        status="confirmed",
        size_class="person",
        hits=4,
        lat_deg=0.0,
        lon_deg=0.0,
        chainage_m=0.0,
        offset_m=0.0,
    )


@pytest.fixture(scope="module")
def folder(area: Area, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("watch")
    world = walkers()
    clock = iter(range(START_NS, 2**62, 10**9))
    with Session.open(
        path,
        area,
        Actor(id="c", role="commander"),
        Purpose(code="border_patrol"),
        now_ns=lambda: next(clock),
        simulated=("simulated aircraft", "sketched terrain"),
        keys_folder=path / "keys",
    ) as session:
        session.record_entry("commit_draw", area.id, outputs={"commitment": hashlib.sha256(SEED).hexdigest()})
        path_m = np.column_stack([sortie(area).x_m, sortie(area).y_m, sortie(area).alt_msl_m])
        permit = session.permit("fly", WING, START_NS, START_NS + 10**13, path_m=path_m)
        session.record_entry("launch", WING, permit=permit)
        ended = {"sortie": "s-1", "status": "returned", "why": "low battery"}
        session.record_entry("end_of_flight", WING, detail=ended)
        session.record_entry("reveal_draw", area.id, detail={"seed": SEED.hex()})
    at = world.crossers[0].at(400.0)
    assert at is not None
    with WatchStore(path / review.STORE) as store:
        store.append(feed(area, world))
        store.save_tracks([track(at[0] + 60.0, at[1], 400.0)])
        store.save_alerts([alert(area, "true", 400.0, *at), alert(area, "false", 400.0, 3000.0, 3000.0)])
        store.acknowledge(Acknowledgement(alert_id="true", t_ns=START_NS + 420 * 10**9, actor="operator:q", note="<b>"))
    return path


@pytest.fixture(scope="module")
def tasking(area: Area) -> Tasking:
    return Tasking(
        strategy_sha256="cd" * 32,
        seed_commitment=hashlib.sha256(SEED).hexdigest(),
        start_t_ns=START_NS,
        column_indices=(),
        sorties=(sortie(area),),
    )


@pytest.fixture(scope="module")
def gathered(area: Area, folder: Path, tasking: Tasking) -> Review:
    return review.gather(area, strategy(), tasking, folder, world=walkers(), replay_agrees=True)


def test_truth_is_told_from_the_feed(gathered: Review) -> None:
    seen = {crossing.id: crossing for crossing in gathered.crossings}
    assert seen["adaptive-1"].detections > 0
    assert seen["naive-2"].detections == 0  # nobody flew any more
    assert (seen["adaptive-1"].tracked, seen["adaptive-1"].alerted) == (True, True)
    assert not seen["naive-1"].tracked
    assert not seen["naive-1"].alerted
    assert gathered.unexplained_alerts == 1
    assert [c.adaptive for c in gathered.crossings] == [True, False, False]
    assert all(c.required for c in gathered.crossings)
    assert seen["naive-1"].crossed_s == pytest.approx(200.0 + 1000.0, abs=1000.0)


def test_flights_and_pictures_are_counted(gathered: Review) -> None:
    (flight,) = gathered.flown
    assert flight.complete
    assert flight.outcome == "returned: low battery"
    assert flight.worst_off_path_m == pytest.approx(0.0, abs=1.0)
    assert flight.airborne_s == pytest.approx(600.0, abs=60.0)
    assert gathered.looks.pictures > 450
    assert gathered.looks.ours + gathered.looks.across + gathered.looks.no_ground == gathered.looks.pictures
    assert gathered.unreadable == 1
    assert gathered.coverage.looks.sum() > 0
    assert gathered.losses == ()


def test_the_record_and_the_inputs_are_in_it(gathered: Review, folder: Path) -> None:
    assert gathered.verification.ok, gathered.verification.findings
    assert gathered.checkpoint == (folder / CHECKPOINT_COPY).read_text(encoding="utf-8")
    assert gathered.inputs["border.geojson"] == "ab" * 32
    assert gathered.inputs["plan"] == "cd" * 32
    assert len(gathered.inputs["policy"]) == 64
    assert gathered.simulated == ("sketched terrain", "simulated aircraft")


class Page(HTMLParser):
    """Tags, attributes and the words in each language."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str | None]] = []
        self.languages: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = {"en": "", "es": "", "": ""}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.attributes += list(values.items())
        if tag not in ("meta", "input", "br", "html"):
            self.open.append((tag, values.get("lang")))
        if values.get("lang") in ("en", "es") and tag != "html":
            self.languages.append(values["lang"])

    def handle_endtag(self, tag: str) -> None:
        if tag != "html":
            assert self.open.pop()[0] == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] == "style":
            return
        language = next((lang for _, lang in reversed(self.open) if lang in ("en", "es")), "")
        self.words[language] += data.replace("\N{NO-BREAK SPACE}", " ")


def test_the_page_is_whole_bilingual_and_asks_for_nothing(gathered: Review, area: Area) -> None:
    text = report.html(gathered, area)
    page = Page(text)
    assert page.open == []
    assert page.languages == ["en", "es"] * (len(page.languages) // 2)
    assert "<script" not in text
    for name, value in page.attributes:
        assert not value.startswith(("http:", "https:", "//")), (name, value)
        if name in ("href", "src"):
            assert value.startswith("data:")
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    for words in ("30 %", "61 %", "83 %", "7 %", "Promised against achieved", "SIMULATED", "SKETCHED TERRAIN"):
        assert words in page.words["en"], words
    for words in ("30 %", "Prometido frente a logrado", "SIMULADO", "TERRENO ESBOZADO", "móvil true"):
        assert words in page.words["es"], words
    assert "a <walker> & friend" in page.words[""]
    assert "<b>" in page.words[""]  # the note as it was written, not as markup


@pytest.mark.parametrize(
    ("floor", "said"), [(0.001, "above the promised floor"), (0.5, "neither confirms"), (0.95, "BELOW the promised")]
)
def test_the_verdict_follows_the_interval(gathered: Review, area: Area, floor: float, said: str) -> None:
    changed = replace(gathered, certificate=certificate(floor))
    assert said in Page(report.html(changed, area)).words["en"]


def test_nothing_known_is_said_to_be_nothing(gathered: Review, area: Area) -> None:
    bare = replace(gathered, certificate=None, crossings=(), alerts=(), flown=(), planned=(), paths={}, simulated=())
    page = Page(report.html(bare, replace(area, terrain=replace(area.terrain, sketched=False))))
    assert "nothing can be said about detection" in page.words["en"]
    assert "SIMULATED" not in page.words["en"]
    assert "SKETCHED" not in page.words["en"]


def test_the_report_is_written_whole(gathered: Review, area: Area, tmp_path: Path) -> None:
    path = review.write_report(gathered, area, tmp_path / "report.html")
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert list(tmp_path.iterdir()) == [path]


def test_a_verdict_in_words(folder: Path) -> None:
    alone = review.verify_text(folder / "record")
    assert "7 entries" in alone
    assert "No checkpoint kept outside" in alone
    with_copy = review.verify_text(folder / "record", folder / CHECKPOINT_COPY, folder / "record" / "key.pub")
    assert "consistent with your copy" in with_copy
    with pytest.raises(RecordError, match="cannot be read"):
        review.verify_text(folder / "record", folder / "nowhere.txt")


def test_a_bad_verdict_names_the_first_bad_entry(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "record"
    copy.mkdir()
    for path in (folder / "record").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    entries = (copy / "entries.jsonl").read_bytes()
    (copy / "entries.jsonl").write_bytes(entries.replace(b'"action":"launch"', b'"action":"lounge"'))
    with pytest.raises(RecordError, match=r"entries\.jsonl, entry 3 \(lounge, t_ns \d+\)") as caught:
        review.verify_text(copy)
    assert caught.value.remedy
    assert caught.value.exit_code != 0


def test_one_entry_can_be_proved_alone(folder: Path) -> None:
    from kuntur.oversight import merkle

    proof = review.prove_entry(folder / "record", 3)
    steps = [bytes.fromhex(step) for step in proof["proof"]]  # type: ignore[union-attr, attr-defined]
    leaf = merkle.leaf_hash(str(proof["entry"]).encode())
    root = bytes.fromhex(str(proof["root_sha256"]))
    assert merkle.verify_inclusion(3, int(str(proof["size"])), leaf, steps, root)
    with pytest.raises(RecordError, match="no signed entry"):
        review.prove_entry(folder / "record", 7)


def test_classes_outside_the_requirement_are_counted_apart(gathered: Review, area: Area) -> None:
    crossings = tuple(replace(c, required=c.id == "naive-1") for c in gathered.crossings)
    shares = achieved(crossings)
    assert (shares["detected"].hits, shares["detected"].trials) == (0, 1)
    assert (shares["other"].hits, shares["other"].trials) == (1, 2)
    page = Page(report.html(replace(gathered, crossings=crossings), area))
    assert "0 of 1 simulated crossings" in page.words["en"]
    assert "Not in the requirement" in page.words["en"]
    assert "Light vehicle 4 %" in page.words["en"]


def test_a_trial_is_shown_with_its_floor(gathered: Review, area: Area) -> None:
    assert "many nights, each" not in Page(report.html(gathered, area)).words["en"]
    tried = Tried(nights=700, floor_prob=0.31, shares={"naive": share(600, 700), "informed": share(230, 700)})
    page = Page(report.html(replace(gathered, tried=tried), area))
    for words in ("700 simulated nights", "Naive", "Informed", "floor 31 %", "600 / 700"):
        assert words in page.words["en"] + page.words[""], words
    assert "700 noches simuladas" in page.words["es"]


@pytest.fixture
def launched(tmp_path: Path) -> tuple[Area, Strategy, tuple[LogEntry, ...]]:
    """A night drawn from a hand-made strategy and launched as drawn, in a real record."""
    night_area = ridge_area()
    plan = strategies.out_and_back(night_area)
    tasking = draw.draw(plan, SEED, START_NS)
    fleet = {one.id: one for one in night_area.fleet.aircraft}
    bases = {base.id: base for base in night_area.bases}
    clock = iter(range(START_NS, 2**62, 10**9))
    named = {"strategy": draw.strategy_sha256(plan)}
    with Session.open(
        tmp_path,
        night_area,
        Actor(id="c", role="commander"),
        Purpose(code="border_patrol"),
        now_ns=lambda: next(clock),
        keys_folder=tmp_path / "keys",
    ) as session:
        sealed = {"commitment": draw.commitment(SEED)}
        session.record_entry("commit_draw", night_area.id, named, sealed, {"start_t_ns": START_NS})
        for one in tasking.sorties:
            path_m = np.column_stack([one.x_m, one.y_m, one.alt_msl_m])
            permit = session.permit("fly", one.aircraft_id, START_NS, START_NS + 10**13, path_m=path_m)
            base, aircraft = bases[one.base_id], fleet[one.aircraft_id]
            timed = missions.from_sortie(one, base, aircraft, night_area.frame, night_area.weather)
            session.record_entry("launch", one.aircraft_id, {"mission": mission_sha256(timed)}, permit=permit)
        session.record_entry("reveal_draw", night_area.id, named, detail={"seed": SEED.hex()})
        return night_area, plan, session.record.entries()


def test_the_draw_is_made_again_from_its_seed(launched: tuple[Area, Strategy, tuple[LogEntry, ...]]) -> None:
    night_area, plan, entries = launched
    (again,) = review.redraws(night_area, plan, entries)
    assert again.holds
    assert again.launches == again.sorties >= 3


def test_a_launch_that_was_not_drawn_is_a_stranger(launched: tuple[Area, Strategy, tuple[LogEntry, ...]]) -> None:
    night_area, plan, entries = launched
    first = next(entry for entry in entries if entry.action == "launch")
    swapped = {**first.inputs, "mission": "00" * 32}
    changed = tuple(replace(e, inputs=swapped) if e is first else e for e in entries)
    (again,) = review.redraws(night_area, plan, changed)
    assert again.strangers == (first.index,)
    other = replace(plan, watch_duration_s=1.0)
    (again,) = review.redraws(night_area, other, entries)
    assert not again.same_plan
    assert not again.holds


@pytest.mark.parametrize(("one", "said"), [
    (Redraw(revealed_at=9, same_plan=True, sorties=3, launches=3, strangers=()), "drawn, not chosen"),
    (Redraw(revealed_at=9, same_plan=True, sorties=3, launches=3, strangers=(5,)), "NOT what its seed draws"),
    (Redraw(revealed_at=9, same_plan=False, sorties=0, launches=3, strangers=()), "another plan was committed"),
])  # fmt: skip
def test_the_report_says_whether_the_night_was_drawn(gathered: Review, area: Area, one: Redraw, said: str) -> None:
    assert said in Page(report.html(replace(gathered, redraws=(one,)), area)).words["en"]


def test_a_replay_agrees_until_an_alert_was_changed(tmp_path: Path) -> None:
    night_area, _, all_items = nights.night()
    items = all_items[:4500]
    live = Watch(night_area, settings=WatchSettings(hold_s=2.0, gap_s=400.0))
    with WatchStore(tmp_path / "store") as store:

        class Clock:
            speed = 1.0

            def now_ns(self) -> int:
                return items[-1].t_ns

        async def run() -> None:
            running = RunningWatch(live, store, None, Clock())
            for item in items:
                running.feed(item)
            await running.end()

        asyncio.run(run())
        assert len(store.alerts()) > 0
    assert review.replay_agrees(night_area, None, None, tmp_path)
    with WatchStore(tmp_path / "store") as store:
        store.save_alerts([replace(store.alerts()[0], id="put in later")])
    assert not review.replay_agrees(night_area, None, None, tmp_path)
