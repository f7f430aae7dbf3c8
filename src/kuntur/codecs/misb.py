"""MISB ST 0601 (UAS Datalink Local Set) with ST 0903 (VMTI) inside it: one table each drives decoding and encoding.

Values are kept as the standard states them (degrees, metres, metres above sea level or the ellipsoid, microseconds),
in a dict by names that carry the unit; an item a standard marks "out of range" or "reserved" is not in the dict.
`sensor_pose` and `detections` turn such a dict into the model's words.

Read and written: the items Kuntur uses. Everything else in a packet is counted, never guessed. ST 0903 items are
those of 0903.4 and later (fields of view as IMAPB).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

from msgspec import Struct

from kuntur.codecs import klv
from kuntur.geodesy import frames, heights
from kuntur.model.place import Geoid, Target
from kuntur.model.tracks import Detection, SensorPose
from kuntur.units import DEG_TO_RAD

Kind = Literal["uint", "int", "imapb", "number", "text", "set", "targets"]
Values = dict[str, Any]

SIZE_CLASS_ONTOLOGY: Final = "urn:kuntur:size-class"


class Item(Struct, frozen=True, kw_only=True):
    """One row of a standard's table.

    uint/int: `octets` of unsigned / signed integer mapped linearly onto low..high (int: the most negative number is
    the standard's "out of range" or "reserved"). imapb: MISB ST 1201, `octets` written, any length read. number: an
    unsigned integer as it stands, at most `octets` long. text: UTF-8. set: a nested local set. targets: a series of
    VTarget packs.
    """

    tag: int
    name: str
    kind: Kind
    octets: int = 0
    low: float = 0.0
    high: float = 0.0


def _u(tag: int, name: str, octets: int, low: float, high: float) -> Item:
    return Item(tag=tag, name=name, kind="uint", octets=octets, low=low, high=high)


def _s(tag: int, name: str, octets: int, span: float) -> Item:
    return Item(tag=tag, name=name, kind="int", octets=octets, low=-span, high=span)


def _t(tag: int, name: str) -> Item:
    return Item(tag=tag, name=name, kind="text")


def _corners(first_tag: int, kind: str) -> tuple[Item, ...]:
    """Items 26-33 (16-bit offsets from the frame centre) or 82-89 (full positions) of corners 1-4."""
    octets, span_lat, span_lon = (2, 0.075, 0.075) if kind == "offset" else (4, 90.0, 180.0)
    items = []
    for corner in range(4):
        for k, (axis, span) in enumerate((("lat", span_lat), ("lon", span_lon))):
            items.append(_s(first_tag + 2 * corner + k, f"corner_{kind}_{corner + 1}_{axis}_deg", octets, span))
    return tuple(items)


# MISB ST 0601.19 clause 8 (item number, mapping). Item 1 (checksum) belongs to `codecs.klv`.
UAS_ITEMS: Final = (
    Item(tag=2, name="time_us", kind="number", octets=8),
    _t(3, "mission_id"),
    _t(4, "platform_tail_number"),
    _u(5, "platform_heading_deg", 2, 0.0, 360.0),
    _s(6, "platform_pitch_deg", 2, 20.0),
    _s(7, "platform_roll_deg", 2, 50.0),
    _u(8, "platform_true_airspeed_mps", 1, 0.0, 255.0),
    _u(9, "platform_indicated_airspeed_mps", 1, 0.0, 255.0),
    _t(10, "platform_designation"),
    _t(11, "image_source_sensor"),
    _t(12, "image_coordinate_system"),
    _s(13, "sensor_lat_deg", 4, 90.0),
    _s(14, "sensor_lon_deg", 4, 180.0),
    _u(15, "sensor_alt_msl_m", 2, -900.0, 19_000.0),
    _u(16, "sensor_hfov_deg", 2, 0.0, 180.0),
    _u(17, "sensor_vfov_deg", 2, 0.0, 180.0),
    _u(18, "sensor_relative_azimuth_deg", 4, 0.0, 360.0),
    _s(19, "sensor_relative_elevation_deg", 4, 180.0),
    _u(20, "sensor_relative_roll_deg", 4, 0.0, 360.0),
    _u(21, "slant_range_m", 4, 0.0, 5_000_000.0),
    _u(22, "target_width_m", 2, 0.0, 10_000.0),
    _s(23, "frame_centre_lat_deg", 4, 90.0),
    _s(24, "frame_centre_lon_deg", 4, 180.0),
    _u(25, "frame_centre_alt_msl_m", 2, -900.0, 19_000.0),
    *_corners(26, "offset"),
    _u(35, "wind_from_deg", 2, 0.0, 360.0),
    _u(36, "wind_speed_mps", 1, 0.0, 100.0),
    _u(38, "density_altitude_m", 2, -900.0, 19_000.0),
    _u(56, "platform_ground_speed_mps", 1, 0.0, 255.0),
    _t(59, "platform_call_sign"),
    Item(tag=65, name="uas_ls_version", kind="number", octets=1),
    Item(tag=74, name="vmti", kind="set"),
    _u(75, "sensor_alt_hae_m", 2, -900.0, 19_000.0),
    *_corners(82, "full"),
    _s(90, "platform_pitch_full_deg", 4, 90.0),
    _s(91, "platform_roll_full_deg", 4, 90.0),
    Item(tag=104, name="sensor_alt_hae_extended_m", kind="imapb", octets=3, low=-900.0, high=40_000.0),
)

# MISB ST 0903.6: VMTI local set, VTarget pack, VObject local set.
VMTI_ITEMS: Final = (
    Item(tag=2, name="time_us", kind="number", octets=8),
    _t(3, "system_name"),
    Item(tag=4, name="vmti_ls_version", kind="number", octets=2),
    Item(tag=5, name="targets_detected", kind="number", octets=3),
    Item(tag=6, name="targets_reported", kind="number", octets=3),
    Item(tag=7, name="frame_number", kind="number", octets=3),
    Item(tag=8, name="frame_width_px", kind="number", octets=3),
    Item(tag=9, name="frame_height_px", kind="number", octets=3),
    _t(10, "source_sensor"),
    Item(tag=11, name="hfov_deg", kind="imapb", octets=2, low=0.0, high=180.0),
    Item(tag=12, name="vfov_deg", kind="imapb", octets=2, low=0.0, high=180.0),
    Item(tag=101, name="targets", kind="targets"),
)
VTARGET_ITEMS: Final = (
    Item(tag=1, name="centroid_pixel_number", kind="number", octets=6),
    Item(tag=2, name="top_left_pixel_number", kind="number", octets=6),
    Item(tag=3, name="bottom_right_pixel_number", kind="number", octets=6),
    Item(tag=4, name="priority", kind="number", octets=1),
    Item(tag=5, name="confidence_percent", kind="number", octets=1),
    Item(tag=6, name="history", kind="number", octets=2),
    Item(tag=19, name="centroid_row", kind="number", octets=4),
    Item(tag=20, name="centroid_column", kind="number", octets=4),
    Item(tag=102, name="object", kind="set"),
)
VOBJECT_ITEMS: Final = (_t(1, "ontology"), _t(2, "ontology_class"))


class UasDatalink(Struct, frozen=True, kw_only=True):
    """One decoded packet. faults: what in it could not be read, in words. unread: items no table row names."""

    values: Values
    checksum: klv.ChecksumState
    faults: tuple[str, ...]
    unread: int


# --- one value, both ways

_Read = Callable[[bytes, list[str]], Any]
_Write = Callable[[Any], bytes]


def _linear(item: Item) -> tuple[_Read, _Write]:
    signed, octets = item.kind == "int", item.octets
    steps = (1 << (8 * octets)) - (2 if signed else 1)
    scale = (item.high - item.low) / steps
    offset = 0.0 if signed else item.low
    reserved = -(1 << (8 * octets - 1))

    def read(value: bytes, faults: list[str]) -> float | None:
        if len(value) != octets:
            faults.append(f"item {item.tag} {item.name}: {len(value)} octets instead of {octets}")
            return None
        number = int.from_bytes(value, "big", signed=signed)
        return None if signed and number == reserved else number * scale + offset

    def write(value: Any) -> bytes:
        if not item.low <= value <= item.high:
            raise ValueError(f"{item.name} = {value}: outside {item.low}..{item.high} of MISB item {item.tag}")
        steps_up: int = round((value - offset) / scale)
        return steps_up.to_bytes(octets, "big", signed=signed)

    return read, write


def _imapb(item: Item) -> tuple[_Read, _Write]:
    """MISB ST 1201.4, clause 7.2: floating point to integer by powers of two, zero kept exact."""
    range_bits = math.ceil(math.log2(item.high - item.low))

    def mapping(octets: int) -> tuple[float, float]:
        scale = 2.0 ** (8 * octets - 1 - range_bits)
        return scale, scale * item.low - math.floor(scale * item.low) if item.low < 0 < item.high else 0.0

    def read(value: bytes, faults: list[str]) -> float | None:
        if not 1 <= len(value) <= 8:
            faults.append(f"item {item.tag} {item.name}: {len(value)} octets, IMAPB has 1..8")
            return None
        number = int.from_bytes(value, "big")
        if number > 1 << (8 * len(value) - 1):  # top bit with any other: infinity, not-a-number or user-defined
            return None
        scale, zero = mapping(len(value))
        return (number - zero) / scale + item.low

    def write(value: Any) -> bytes:
        if not item.low <= value <= item.high:
            raise ValueError(f"{item.name} = {value}: outside {item.low}..{item.high} of MISB item {item.tag}")
        scale, zero = mapping(item.octets)
        steps_up: int = math.floor(scale * (value - item.low) + zero)
        return steps_up.to_bytes(item.octets, "big")

    return read, write


def _number(item: Item) -> tuple[_Read, _Write]:
    def read(value: bytes, faults: list[str]) -> int | None:
        if not 1 <= len(value) <= item.octets:
            faults.append(f"item {item.tag} {item.name}: {len(value)} octets, at most {item.octets}")
            return None
        return int.from_bytes(value, "big")

    def write(value: Any) -> bytes:
        # The time stamp has a fixed length (ST 0603), the others as few octets as they need.
        octets = item.octets if item.octets == 8 else max(1, (int(value).bit_length() + 7) // 8)
        if octets > item.octets:
            raise ValueError(f"{item.name} = {value}: more than {item.octets} octets of MISB item {item.tag}")
        return int(value).to_bytes(octets, "big")

    return read, write


def _text(item: Item) -> tuple[_Read, _Write]:
    def read(value: bytes, faults: list[str]) -> str:
        text = value.decode("utf-8", errors="replace")
        if "\N{REPLACEMENT CHARACTER}" in text:
            faults.append(f"item {item.tag} {item.name}: not UTF-8")
        return text

    def write(value: Any) -> bytes:
        return str(value).encode()

    return read, write


class _Table:
    """A standard's table made ready: tag -> reader, name -> (tag, writer)."""

    def __init__(self, items: Sequence[Item], nested: Mapping[str, _Table] | None = None) -> None:
        makers = {"uint": _linear, "int": _linear, "imapb": _imapb, "number": _number, "text": _text}
        self.readers: dict[int, tuple[str, _Read]] = {}
        self.writers: dict[str, tuple[int, _Write]] = {}
        for item in items:
            if item.kind == "set":
                read, write = _set_codec((nested or {})[item.name])
            elif item.kind == "targets":
                read, write = _targets_codec((nested or {})[item.name])
            else:
                read, write = makers[item.kind](item)
            self.readers[item.tag] = (item.name, read)
            self.writers[item.name] = (item.tag, write)

    def read(self, octets: bytes, faults: list[str]) -> tuple[Values, int]:
        items, whole = klv.read_items(octets)
        if not whole:
            faults.append("the set ends inside an item")
        values: Values = {}
        unread = 0
        readers = self.readers
        for tag, octets_of_value in items:
            row = readers.get(tag)
            if row is None:
                unread += 1
                continue
            name, read = row
            if octets_of_value and (value := read(octets_of_value, faults)) is not None:
                values[name] = value
        return values, unread

    def write(self, values: Mapping[str, Any]) -> list[tuple[int, bytes]]:
        items = []
        for name, value in values.items():
            tag, write = self.writers[name]
            items.append((tag, write(value)))
        return items


def _set_codec(table: _Table) -> tuple[_Read, _Write]:
    def read(value: bytes, faults: list[str]) -> Values:
        return table.read(value, faults)[0]

    def write(value: Any) -> bytes:
        return klv.write_items(table.write(value))

    return read, write


def _targets_codec(table: _Table) -> tuple[_Read, _Write]:
    """VTarget series (ST 0903 item 101): packs of (BER length, BER-OID target id, items)."""

    def read(value: bytes, faults: list[str]) -> list[Values]:
        targets = []
        at = 0
        while at < len(value):
            length = klv.read_length(value, at)
            if length is None or length[1] + length[0] > len(value):
                faults.append("the VTarget series ends inside a pack")
                break
            at = length[1] + length[0]
            pack = value[length[1] : at]
            target_id = klv.read_oid(pack, 0)
            if target_id is None:
                faults.append("a VTarget pack has no target id")
                continue
            targets.append({"id": target_id[0], **table.read(pack[target_id[1] :], faults)[0]})
        return targets

    def write(value: Any) -> bytes:
        packs = []
        for target in value:
            items = table.write({name: v for name, v in target.items() if name != "id"})
            pack = klv.write_oid(target["id"]) + klv.write_items(items)
            packs.append(klv.write_length(len(pack)) + pack)
        return b"".join(packs)

    return read, write


_VOBJECT = _Table(VOBJECT_ITEMS)
_VTARGET = _Table(VTARGET_ITEMS, {"object": _VOBJECT})
_VMTI = _Table(VMTI_ITEMS, {"targets": _VTARGET})
_UAS = _Table(UAS_ITEMS, {"vmti": _VMTI})


# --- packets


def decode(packet: klv.Packet) -> UasDatalink:
    """The values of one packet. Never raises: what cannot be read is in `faults`."""
    faults: list[str] = []
    values, unread = _UAS.read(packet.payload, faults)
    unread -= packet.checksum != "missing"  # item 1 is read by the walker
    return UasDatalink(values=values, checksum=packet.checksum, faults=tuple(faults), unread=unread)


def encode(values: Mapping[str, Any]) -> bytes:
    """One packet, checksum and all. `time_us` goes first, as ST 0601 requires; the rest in the order given.

    Raises KeyError for a name no table row has and ValueError for a value outside its item's range.
    """
    ordered = {"time_us": values["time_us"], **values}
    return klv.write_packet(_UAS.write(ordered))


def pixel_number(column_px: float, row_px: float, columns_px: int) -> int:
    """ST 0903's number of the pixel a position lies in: 1 at the top left, counted along rows."""
    return math.floor(row_px) * columns_px + math.floor(column_px) + 1


# --- the model's words

_NEEDED = (
    "time_us",
    "platform_heading_deg",
    "sensor_lat_deg",
    "sensor_lon_deg",
    "sensor_hfov_deg",
    "sensor_vfov_deg",
    "sensor_relative_azimuth_deg",
    "sensor_relative_elevation_deg",
)


def _alt_hae_m(values: Values, geoid: Geoid) -> float | None:
    """The best height item there is: extended HAE, HAE, or MSL lifted by the geoid (EGM96, as ST 0601 means MSL)."""
    for name in ("sensor_alt_hae_extended_m", "sensor_alt_hae_m"):
        if name in values:
            return float(values[name])
    if "sensor_alt_msl_m" not in values:
        return None
    undulation_m = heights.undulation_at(geoid, values["sensor_lat_deg"], values["sensor_lon_deg"])
    return float(values["sensor_alt_msl_m"]) + undulation_m


def sensor_pose(values: Values, aircraft_id: str, geoid: Geoid, *, columns_px: int, rows_px: int) -> SensorPose | str:
    """Where the camera is and looks, or in words why that cannot be known.

    columns_px, rows_px: the camera's, used where the packet has no VMTI frame size. A missing relative roll is taken as
    zero (it only turns the picture); a missing pitch, roll, heading or pointing angle makes the pose unknown.
    """
    missing = [name for name in _NEEDED if name not in values]
    pitch = values.get("platform_pitch_full_deg", values.get("platform_pitch_deg"))
    roll = values.get("platform_roll_full_deg", values.get("platform_roll_deg"))
    if missing or pitch is None or roll is None:
        names = missing + ["platform_pitch_deg"] * (pitch is None) + ["platform_roll_deg"] * (roll is None)
        return "the packet has no " + ", ".join(names)
    alt_hae_m = _alt_hae_m(values, geoid)
    if alt_hae_m is None or not math.isfinite(alt_hae_m):
        return "the packet has no usable sensor height"
    azimuth_rad, elevation_rad, roll_rad = frames.compose_look(
        values["platform_heading_deg"] * DEG_TO_RAD,
        pitch * DEG_TO_RAD,
        roll * DEG_TO_RAD,
        values["sensor_relative_azimuth_deg"] * DEG_TO_RAD,
        values["sensor_relative_elevation_deg"] * DEG_TO_RAD,
        values.get("sensor_relative_roll_deg", 0.0) * DEG_TO_RAD,
    )
    vmti = values.get("vmti", {})
    return SensorPose(
        t_ns=values["time_us"] * 1000,
        aircraft_id=aircraft_id,
        lat_deg=values["sensor_lat_deg"],
        lon_deg=values["sensor_lon_deg"],
        alt_hae_m=alt_hae_m,
        azimuth_rad=azimuth_rad,
        elevation_rad=elevation_rad,
        roll_rad=roll_rad,
        hfov_rad=values["sensor_hfov_deg"] * DEG_TO_RAD,
        vfov_rad=values["sensor_vfov_deg"] * DEG_TO_RAD,
        columns_px=vmti.get("frame_width_px", columns_px),
        rows_px=vmti.get("frame_height_px", rows_px),
    )


def _pixel(target: Values, columns_px: int) -> tuple[float, float] | None:
    """Column and row of the middle of the centroid's pixel (items 19 and 20, else item 1 and the frame width)."""
    if "centroid_row" in target and "centroid_column" in target:
        row, column = target["centroid_row"], target["centroid_column"]
    elif "centroid_pixel_number" in target and columns_px > 0:
        row, column = divmod(target["centroid_pixel_number"] - 1, columns_px)
        row, column = row + 1, column + 1
    else:
        return None
    return (column - 0.5, row - 0.5) if row >= 1 and column >= 1 else None


def detections(values: Values, pose: SensorPose) -> list[Detection]:
    """The VMTI targets of a packet as detections in the picture of `pose`. Targets outside the frame are left out."""
    found = []
    for target in values.get("vmti", {}).get("targets", ()):
        pixel = _pixel(target, pose.columns_px)
        if pixel is None or pixel[0] > pose.columns_px or pixel[1] > pose.rows_px:
            continue
        named = target.get("object", {}).get("ontology_class", "")
        size_class: Target | Literal["unknown"] = next((one for one in get_args(Target) if one == named), "unknown")
        found.append(
            Detection(
                t_ns=pose.t_ns,
                aircraft_id=pose.aircraft_id,
                column_px=pixel[0],
                row_px=pixel[1],
                size_class=size_class,
                confidence_prob=min(target.get("confidence_percent", 100), 100) / 100.0,
            )
        )
    return found
