"""Encoding and reading back whole packets, and the way from a packet to poses and detections."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from kuntur.codecs import klv, misb
from kuntur.geodesy import frames
from kuntur.model.place import Geoid

GEOID = Geoid(name="flat", south_deg=-90, west_deg=0, step_deg=90, undulation_m=np.full((3, 5), 40.0, np.float32))

LOOK = {
    "time_us": 1_760_000_000_123_456,
    "mission_id": "KUNTUR-SIM",
    "platform_tail_number": "vultur-1",
    "platform_heading_deg": 90.0,
    "platform_pitch_deg": 0.0,
    "platform_roll_deg": 0.0,
    "sensor_lat_deg": -18.3,
    "sensor_lon_deg": -69.0,
    "sensor_hfov_deg": 20.0,
    "sensor_vfov_deg": 15.0,
    "sensor_relative_azimuth_deg": 30.0,
    "sensor_relative_elevation_deg": -10.0,
    "sensor_relative_roll_deg": 0.0,
    "uas_ls_version": 19,
    "sensor_alt_hae_extended_m": 4800.0,
    "vmti": {
        "vmti_ls_version": 6,
        "targets_reported": 2,
        "frame_number": 70_000,
        "frame_width_px": 640,
        "frame_height_px": 512,
        "targets": [
            {
                "id": 200,
                "centroid_pixel_number": misb.pixel_number(100.7, 50.2, 640),
                "confidence_percent": 80,
                "object": {"ontology": misb.SIZE_CLASS_ONTOLOGY, "ontology_class": "person"},
            },
            {"id": 2, "centroid_row": 512, "centroid_column": 640, "confidence_percent": 40},
        ],
    },
}


def read_back(values: dict[str, object]) -> misb.UasDatalink:
    (packet,) = klv.walk(misb.encode(values)).packets
    assert packet.checksum == "right"
    return misb.decode(packet)


def test_a_look_survives_the_wire() -> None:
    decoded = read_back(LOOK)
    assert decoded.faults == () and decoded.unread == 0
    for name, value in LOOK.items():
        if isinstance(value, float):
            assert decoded.values[name] == pytest.approx(value, abs=0.01), name
        else:
            assert decoded.values[name] == value, name


def test_pose_and_detections_in_the_models_words() -> None:
    values = read_back(LOOK).values
    pose = misb.sensor_pose(values, "vultur-1", GEOID, columns_px=1, rows_px=1)
    assert not isinstance(pose, str)
    assert pose.t_ns == 1_760_000_000_123_456_000
    assert (pose.columns_px, pose.rows_px) == (640, 512)
    assert pose.alt_hae_m == pytest.approx(4800.0, abs=0.01)
    assert pose.azimuth_rad == pytest.approx(math.radians(120.0), abs=1e-4)
    assert pose.elevation_rad == pytest.approx(math.radians(-10.0), abs=1e-4)
    person, other = misb.detections(values, pose)
    assert (person.column_px, person.row_px, person.size_class) == (100.5, 50.5, "person")
    assert person.confidence_prob == 0.8
    assert (other.column_px, other.row_px, other.size_class) == (639.5, 511.5, "unknown")


@pytest.mark.parametrize(
    ("named", "told"), [("pack_animal", "pack_animal"), ("truck", "truck"), ("camel", "unknown"), ("", "unknown")]
)
def test_size_classes_are_the_models_or_unknown(named: str, told: str) -> None:
    values = copy.deepcopy(LOOK)
    values["vmti"]["targets"][0]["object"]["ontology_class"] = named  # type: ignore[index]
    read = read_back(values).values
    pose = misb.sensor_pose(read, "vultur-1", GEOID, columns_px=1, rows_px=1)
    assert not isinstance(pose, str)
    assert misb.detections(read, pose)[0].size_class == told


def test_height_above_sea_is_lifted_by_the_geoid() -> None:
    values = {k: v for k, v in LOOK.items() if k != "sensor_alt_hae_extended_m"}
    pose = misb.sensor_pose(
        read_back({**values, "sensor_alt_msl_m": 4000.0}).values, "a", GEOID, columns_px=1, rows_px=1
    )
    assert not isinstance(pose, str) and pose.alt_hae_m == pytest.approx(4040.0, abs=0.2)
    assert misb.sensor_pose(read_back(values).values, "a", GEOID, columns_px=1, rows_px=1) == (
        "the packet has no usable sensor height"
    )


def test_a_missing_angle_is_named() -> None:
    values = {k: v for k, v in LOOK.items() if k not in ("platform_roll_deg", "sensor_relative_azimuth_deg")}
    why = misb.sensor_pose(read_back(values).values, "a", GEOID, columns_px=1, rows_px=1)
    assert why == "the packet has no sensor_relative_azimuth_deg, platform_roll_deg"


def test_a_value_outside_its_item_is_refused() -> None:
    with pytest.raises(ValueError, match="sensor_alt_msl_m = 20000"):
        misb.encode({"time_us": 0, "sensor_alt_msl_m": 20_000.0})
    with pytest.raises(KeyError):
        misb.encode({"time_us": 0, "weapon_load": 1})


def test_a_long_packet_uses_long_lengths() -> None:
    many = {**LOOK, "vmti": {"targets": [{"id": k, "centroid_pixel_number": 5} for k in range(300)]}}
    targets = read_back(many).values["vmti"]["targets"]
    assert [t["id"] for t in targets] == list(range(300))


def test_compose_look_against_rotation_matrices() -> None:
    """The same rotations as matrices, and the picture's axes as the pinhole model sees them."""
    rng = np.random.default_rng(7)
    for _ in range(200):
        angles = rng.uniform([-3, -0.3, -0.8, -3, -1.5, -0.5], [3, 0.3, 0.8, 3, 0.5, 0.5])
        heading, pitch, roll, az, el, rel_roll = angles
        body = _rz(heading) @ _ry(pitch) @ _rx(roll)
        sensor = body @ _rz(az) @ _ry(el) @ _rx(rel_roll)
        got = frames.compose_look(*angles)
        corner, middle = frames.pixel_directions_enu(*got, 0.5, 0.4, 640, 512, [640.0, 320.0], [0.0, 256.0])
        x, y = math.tan(0.25), -math.tan(0.2)
        expected = sensor @ np.array([1.0, x, y])
        expected /= np.linalg.norm(expected)
        ned = np.array([corner[1], corner[0], -corner[2]])
        np.testing.assert_allclose(ned, expected, atol=1e-9)
        np.testing.assert_allclose([middle[1], middle[0], -middle[2]], sensor[:, 0], atol=1e-9)


def _rx(a: float) -> np.ndarray:
    return np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])


def _ry(a: float) -> np.ndarray:
    return np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])


def _rz(a: float) -> np.ndarray:
    return np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
