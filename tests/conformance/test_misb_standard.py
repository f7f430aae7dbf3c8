"""KLV against the standards' own worked examples and against recorded streams of other makers' encoders."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from kuntur.codecs import klv, misb
from kuntur.model.place import Geoid

FLAT = Geoid(name="flat", south_deg=-90, west_deg=0, step_deg=90, undulation_m=np.full((3, 5), 10.0, np.float32))

# Octets and value of the example MISB ST 0601 prints for each item (clause 8).
EXAMPLES = [
    ("platform_heading_deg", "050271c2", 159.974365),
    ("platform_pitch_deg", "0602fd3d", -0.431531724),
    ("platform_roll_deg", "070208b8", 3.40586566),
    ("sensor_lat_deg", "0d045595b66d", 60.176822966978335),
    ("sensor_lon_deg", "0e045b5360c4", 128.42675904204452),
    ("sensor_alt_msl_m", "0f02c221", 14190.7195),
    ("sensor_hfov_deg", "1002cd9c", 144.571298),
    ("sensor_vfov_deg", "1102d917", 152.643626),
    ("sensor_relative_azimuth_deg", "1204724a0a20", 160.71921143697557),
    ("sensor_relative_elevation_deg", "130487f84b86", -168.79232483394085),
    ("sensor_relative_roll_deg", "14047dc55ece", 176.86543764939194),
    ("slant_range_m", "150403830926", 68590.98329874477),
    ("target_width_m", "16021281", 722.819867),
    ("frame_centre_lat_deg", "1704f101a229", -10.542388633146132),
    ("frame_centre_lon_deg", "180414bc082b", 29.157890122923014),
    ("frame_centre_alt_msl_m", "190234f3", 3216.03723),
    ("platform_ground_speed_mps", "38018c", 140.0),
    ("uas_ls_version", "41010d", 13),
    ("sensor_alt_hae_extended_m", "68032f921e", 23456.24),
]


@pytest.mark.parametrize(("name", "octets", "value"), EXAMPLES)
def test_the_standards_examples_read_and_write(name: str, octets: str, value: float) -> None:
    item = bytes.fromhex(octets)
    decoded = misb.decode(_packet_of(item))
    assert decoded.faults == () and decoded.unread == 0
    # The standard prints its examples to about eight digits (item 104: to the centimetre).
    assert decoded.values[name] == pytest.approx(value, rel=1e-7, abs=0.01 if "extended" in name else 1e-7)
    packet = misb.encode({"time_us": 0, name: value})
    assert item in packet


def _packet_of(item: bytes) -> klv.Packet:
    octets = klv.UAS_LOCAL_SET + klv.write_length(len(item)) + item
    (packet,) = klv.walk(octets).packets
    assert packet.checksum == "missing"
    return packet


def test_out_of_range_marks_are_not_values() -> None:
    for octets in ("06028000", "0d0480000000", "130480000000"):
        assert misb.decode(_packet_of(bytes.fromhex(octets))).values == {}


def test_a_value_of_the_wrong_size_is_a_fault_not_a_number() -> None:
    decoded = misb.decode(_packet_of(bytes.fromhex("0503000102")))
    assert decoded.values == {}
    assert decoded.faults == ("item 5 platform_heading_deg: 3 octets instead of 2",)


# file -> packets, right checksums, wrong checksums (../shared/data/README.md, klv)
FILES = {
    "Cheyenne.bin": (407, 407, 0),
    "realflight.bin": (19, 19, 0),
    "DynamicConstantMISMMSPacketData.bin": (1, 0, 1),
    "DynamicOnlyMISMMSPacketData.bin": (1, 1, 0),
    "Day_Flight.klv": (6, 6, 0),
    "Night_Flight_IR.klv": (18, 18, 0),
}


@pytest.mark.parametrize("name", FILES)
def test_recorded_streams_count_right(name: str, shared_data: Path) -> None:
    octets = (shared_data / "klv" / name).read_bytes()
    walk = klv.walk(octets)
    states = [packet.checksum for packet in walk.packets]
    assert (len(states), states.count("right"), states.count("wrong")) == FILES[name]
    assert walk.damaged == 0 and not walk.truncated
    assert sum(len(p.octets) for p in walk.packets) + walk.junk_octets == len(octets)
    for packet in walk.packets:
        decoded = misb.decode(packet)
        # Both droneklv recordings are of an early edition, which wrote the target width in four octets.
        early = name.endswith(".klv")
        assert decoded.faults == (("item 22 target_width_m: 4 octets instead of 2",) if early else ())
        assert decoded.values["time_us"] > 0


def test_the_standards_own_wrong_checksum_is_told_with_both_sums(shared_data: Path) -> None:
    octets = (shared_data / "klv" / "DynamicConstantMISMMSPacketData.bin").read_bytes()
    (packet,) = klv.walk(octets).packets
    assert packet.octets[-2:].hex() == "aa43" and f"{klv.checksum(packet.octets[:-2]):04x}" == "3e1e"
    assert misb.decode(packet).values["sensor_lat_deg"] == pytest.approx(60.176822966978335)


def test_cheyenne_looks_where_its_own_frame_centre_says(shared_data: Path) -> None:
    """The line of sight composed from attitude and gimbal angles points at the frame centre the encoder computed."""
    errors_rad = []
    for packet in klv.walk((shared_data / "klv" / "Cheyenne.bin").read_bytes()).packets:
        values = misb.decode(packet).values
        pose = misb.sensor_pose(values, "x", FLAT, columns_px=720, rows_px=480)
        assert not isinstance(pose, str), pose
        north = (values["frame_centre_lat_deg"] - pose.lat_deg) * 111_050.0  # metres per degree at 41 N
        east = (values["frame_centre_lon_deg"] - pose.lon_deg) * 111_320.0 * math.cos(math.radians(pose.lat_deg))
        down = values["sensor_alt_msl_m"] - values["frame_centre_alt_msl_m"]
        bearing, depression = math.atan2(east, north), math.atan2(down, math.hypot(east, north))
        turn = (pose.azimuth_rad - bearing + math.pi) % (2 * math.pi) - math.pi
        errors_rad.append(math.hypot(turn * math.cos(depression), pose.elevation_rad + depression))
    assert len(errors_rad) == 407
    assert np.median(errors_rad) < math.radians(1.0)


def test_vmti_example_of_two_targets() -> None:
    """Pack lengths, ids and items as a public ST 0903 test vector lays them out (priority 27; row 872, column 1137)."""
    series = bytes.fromhex("040104011b" + "0d020c022a94130203681402" + "0471")
    vmti = klv.write_items([(8, (1920).to_bytes(2, "big")), (9, (1080).to_bytes(2, "big")), (101, series)])
    values = misb.decode(_packet_of(klv.write_items([(74, vmti)]))).values
    first, second = values["vmti"]["targets"]
    assert first == {"id": 1, "priority": 27}
    assert second == {"id": 2, "centroid_row": 872, "centroid_column": 1137}
