"""KLV under damage: never a crash, every octet accounted for, good packets behind the damage still found."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kuntur.codecs import klv, misb

small_sets = st.lists(st.tuples(st.integers(3, 20_000), st.binary(max_size=200)), max_size=8)
packets = small_sets.map(klv.write_packet)
junk = st.binary(max_size=60).filter(lambda b: klv.UAS_LOCAL_SET not in b)


def total(walk: klv.Walk) -> int:
    return sum(len(p.octets) for p in walk.packets) + walk.junk_octets


@given(st.integers(0, 2**31 - 1))
def test_lengths_round_trip(length: int) -> None:
    octets = klv.write_length(length)
    assert klv.read_length(octets, 0) == (length, len(octets))


@given(st.integers(0, 2**28 - 1))
def test_tags_round_trip(tag: int) -> None:
    octets = klv.write_oid(tag)
    assert klv.read_oid(octets, 0) == (tag, len(octets))


@given(small_sets)
def test_sets_round_trip(items: list[tuple[int, bytes]]) -> None:
    assert klv.read_items(klv.write_items(items)) == (items, True)


@given(st.lists(st.tuples(junk, packets), max_size=5), junk)
def test_whole_packets_are_found_between_junk(parts: list[tuple[bytes, bytes]], tail: bytes) -> None:
    stream = b"".join(a + b for a, b in parts) + tail
    walk = klv.walk(stream)
    assert [p.octets for p in walk.packets] == [b for _, b in parts]
    assert all(p.checksum == "right" for p in walk.packets)
    assert walk.junk_octets == sum(len(a) for a, _ in parts) + len(tail)
    assert walk.damaged == 0 and not walk.truncated


@given(packets, st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_octet_never_passes_as_right(packet: bytes, where: int, flip: int) -> None:
    where %= len(packet)
    damaged = packet[:where] + bytes([packet[where] ^ flip]) + packet[where + 1 :]
    assert not any(p.checksum == "right" for p in klv.walk(damaged).packets)


@given(packets, st.integers(1, 10_000), st.integers(1, 255), packets)
def test_damage_does_not_swallow_the_next_packet(first: bytes, where: int, flip: int, second: bytes) -> None:
    where %= len(first)
    damaged = first[:where] + bytes([first[where] ^ flip]) + first[where + 1 :]
    walk = klv.walk(damaged + second)
    assert walk.packets[-1].octets == second and walk.packets[-1].checksum == "right"
    assert total(walk) == len(damaged) + len(second)


@given(packets, st.integers(1, 10_000))
def test_a_cut_packet_is_told(packet: bytes, cut: int) -> None:
    cut = 16 + cut % (len(packet) - 16)
    walk = klv.walk(packet[:cut])
    assert walk.packets == () and walk.truncated


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_any_octets_decode_to_something(octets: bytes) -> None:
    """As a stream, and as the value of a packet with every nested set reachable."""
    klv.walk(octets)
    for prefix in (b"", b"\x4a" + klv.write_length(len(octets)), _vmti_prefix(octets)):
        body = prefix + octets
        packet = klv.Packet(start=0, octets=body, payload=body, checksum="missing")
        decoded = misb.decode(packet)
        assert isinstance(decoded.values, dict)


def _vmti_prefix(octets: bytes) -> bytes:
    series = b"\x65" + klv.write_length(len(octets))
    return b"\x4a" + klv.write_length(len(series) + len(octets)) + series
