"""Whatever a mission is, its files give it back; whatever bytes come, a reader ends in a mission or one clear error."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kuntur.codecs import areas, mavlink, missions
from kuntur.codecs.missions import Mission, MissionItem
from kuntur.errors import ConfigError, LinkError

_number = st.floats(allow_nan=False, allow_infinity=False, width=32)
_items = st.builds(
    MissionItem,
    command=st.integers(0, 65_535),
    frame=st.integers(0, 21),
    lat_deg=st.integers(-900_000_000, 900_000_000).map(lambda v: v / 1e7),
    lon_deg=st.integers(-1_800_000_000, 1_800_000_000).map(lambda v: v / 1e7),
    alt_m=_number,
    params=st.tuples(_number, _number, _number, _number),
    autocontinue=st.booleans(),
)
_missions = st.builds(
    Mission,
    kind=st.sampled_from(["multirotor", "fixed_wing"]),
    home_lat_deg=st.floats(-90, 90),
    home_lon_deg=st.floats(-180, 180),
    home_alt_msl_m=_number,
    cruise_mps=_number,
    items=st.lists(_items, max_size=6).map(tuple),
)


@settings(deadline=None)  # the machine may be busy
@given(_missions)
def test_plan_round_trip(mission: Mission) -> None:
    assert missions.from_plan(missions.to_plan(mission)) == mission


@settings(deadline=None)  # the machine may be busy
@given(_missions)
def test_waypoints_round_trip(mission: Mission) -> None:
    assert missions.from_waypoints(missions.to_waypoints(mission), mission.kind, mission.cruise_mps) == mission


@settings(deadline=None)  # the machine may be busy
@given(_items)
def test_an_item_survives_the_wire(item: MissionItem) -> None:
    frame = mavlink.Packer(1, 1).frame(mavlink.mission_item_message(item, (1, 1), 3))
    received = mavlink.mission_item(mavlink.message(frame))
    assert missions.differences([item], [received]) == []


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=300))
def test_readers_end_in_a_clear_error_on_junk(data: bytes) -> None:
    for read in (missions.from_plan, lambda d: missions.from_waypoints(d.decode("latin-1")), areas.decode):
        try:
            read(data)
        except ConfigError as error:
            assert error.message
    try:
        mavlink.message(data)
    except LinkError as error:
        assert error.message


_beat = mavlink.dialect.MAVLink_heartbeat_message(1, 3, 0, 0, 3, 3)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.one_of(st.binary(max_size=60), st.just(None)), max_size=8), st.integers(1, 50))
def test_junk_never_hides_a_good_frame(pieces: list[bytes | None], step: int) -> None:
    """None stands for a good frame; the stream comes in steps of any size, cut anywhere, with silence after it."""
    packer = mavlink.Packer(7, 1)
    good = sum(piece is None for piece in pieces)
    data = b"".join(packer.frame(_beat) if piece is None else piece for piece in pieces)
    in_datagram = mavlink.Splitter()
    assert len(in_datagram.datagram(data)) >= good
    stream = mavlink.Splitter()
    data += bytes(600)  # whatever looked like the beginning of a frame is now settled
    messages = [m for k in range(0, len(data), step) for m in stream.stream(data[k : k + step])]
    assert len(messages) >= good
    assert stream.junk_bytes + sum(len(m.get_msgbuf()) for m in messages) <= len(data)
