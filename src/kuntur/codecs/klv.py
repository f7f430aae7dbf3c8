"""KLV: universal keys, BER lengths, BER-OID tags, the ST 0601 checksum, and a walker that lives through damage.

Structure: SMPTE ST 336 (key, length, value) as profiled by MISB ST 0107 (BER lengths, BER-OID tags) and MISB ST 0601
(the UAS Datalink Local Set and its running 16-bit checksum). What the values mean is in `codecs.misb`.

A wrong checksum is a fact about a packet, not an exception: the walker hands the packet on with that fact, and whoever
reads it decides. Nothing here raises on damaged input.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

UAS_LOCAL_SET: Final = bytes.fromhex("060e2b34020b01010e01030101000000")  # MISB ST 0601, clause 6.2

_KEY_OCTETS: Final = 16
_CHECKSUM_ITEM: Final = b"\x01\x02"  # tag 1, length 2: always the last item of the set (ST 0601, item 1)
_MAX_LENGTH_OCTETS: Final = 4  # longer lengths would mean packets over 4 GB: damage
_MAX_TAG_OCTETS: Final = 4  # ST 0107 tags are far below 2**28

ChecksumState = Literal["right", "wrong", "missing"]


class Packet(Struct, frozen=True, kw_only=True):
    """One local set found in a stream. octets: all of it, key included; payload: the value octets alone."""

    start: int
    octets: bytes
    payload: bytes
    checksum: ChecksumState


class Walk(Struct, frozen=True, kw_only=True):
    """What a stretch of octets held. junk_octets: outside any packet. truncated: the last packet is cut off.

    damaged: keys whose packet could not be delimited (its length ran over the next key or past the end).
    """

    packets: tuple[Packet, ...]
    junk_octets: int
    damaged: int
    truncated: bool


def checksum(octets: bytes) -> int:
    """Running 16-bit sum over the octets taken as big-endian pairs, modulo 2**16 (MISB ST 0601, item 1)."""
    return ((sum(octets[0::2]) << 8) + sum(octets[1::2])) & 0xFFFF


def read_length(octets: bytes, at: int) -> tuple[int, int] | None:
    """BER length at `at`: (length, position after it), or None when cut off, indefinite or absurd."""
    if at >= len(octets):
        return None
    first = octets[at]
    if first < 0x80:
        return first, at + 1
    count = first & 0x7F
    if count == 0 or count > _MAX_LENGTH_OCTETS or at + 1 + count > len(octets):
        return None
    return int.from_bytes(octets[at + 1 : at + 1 + count], "big"), at + 1 + count


def read_oid(octets: bytes, at: int) -> tuple[int, int] | None:
    """BER-OID number at `at` (7 bits an octet, high bit: more follow): (number, position after it), or None."""
    value = 0
    for position in range(at, min(at + _MAX_TAG_OCTETS, len(octets))):
        value = (value << 7) | (octets[position] & 0x7F)
        if octets[position] < 0x80:
            return value, position + 1
    return None


def write_length(length: int) -> bytes:
    """BER length: short form below 128, else the fewest octets."""
    if length < 0x80:
        return bytes([length])
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def write_oid(number: int) -> bytes:
    """BER-OID number."""
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.append(0x80 | (number & 0x7F))
    return bytes(reversed(octets))


def read_items(octets: bytes) -> tuple[list[tuple[int, bytes]], bool]:
    """The (tag, value) items of a local set, in order, and whether the octets ended where an item ended."""
    items: list[tuple[int, bytes]] = []
    at, end = 0, len(octets)
    while at < end:
        tag = octets[at]  # the one-octet case first: nearly every tag and length
        if tag < 0x80 and at + 1 < end and octets[at + 1] < 0x80:
            start = at + 2
            stop = start + octets[at + 1]
        else:
            oid = read_oid(octets, at)
            length = read_length(octets, oid[1]) if oid else None
            if oid is None or length is None:
                return items, False
            tag, start = oid[0], length[1]
            stop = start + length[0]
        if stop > end:
            return items, False
        items.append((tag, octets[start:stop]))
        at = stop
    return items, True


def write_items(items: list[tuple[int, bytes]]) -> bytes:
    """A local set's value octets from its (tag, value) items."""
    return b"".join(write_oid(tag) + write_length(len(value)) + value for tag, value in items)


def write_packet(items: list[tuple[int, bytes]], key: bytes = UAS_LOCAL_SET) -> bytes:
    """A whole packet of these items (without item 1), closed by its checksum item."""
    body = write_items(items)
    head = key + write_length(len(body) + 4) + body + _CHECKSUM_ITEM
    return head + checksum(head).to_bytes(2, "big")


def _packet(octets: bytes, start: int, value_at: int, end: int) -> Packet:
    whole = octets[start:end]
    state: ChecksumState = "missing"
    if end - value_at >= 4 and whole[-4:-2] == _CHECKSUM_ITEM:
        state = "right" if checksum(whole[:-2]) == int.from_bytes(whole[-2:], "big") else "wrong"
    return Packet(start=start, octets=whole, payload=octets[value_at:end], checksum=state)


def walk(octets: bytes, key: bytes = UAS_LOCAL_SET) -> Walk:
    """Every packet of `key` in the octets, whatever lies between and however the end is cut.

    A packet that fails its checksum and holds another key inside is taken for one whose length was damaged: it is
    counted, given up, and the walk goes on at the inner key, so damage never swallows the packets behind it.
    """
    packets: list[Packet] = []
    junk, damaged, truncated = 0, 0, False
    at = 0
    while (start := octets.find(key, at)) >= 0:
        junk += start - at
        after_key = start + _KEY_OCTETS
        next_key = octets.find(key, after_key)
        length = read_length(octets, after_key)
        end = length[1] + length[0] if length else len(octets) + 1
        found = _packet(octets, start, length[1], end) if length and end <= len(octets) else None
        if found and (found.checksum == "right" or not 0 <= next_key < end):
            packets.append(found)
            at = end
        elif next_key >= 0:
            damaged += 1
            junk += next_key - start
            at = next_key
        else:
            truncated = True
            return Walk(packets=tuple(packets), junk_octets=junk, damaged=damaged, truncated=truncated)
    return Walk(packets=tuple(packets), junk_octets=junk + len(octets) - at, damaged=damaged, truncated=truncated)
