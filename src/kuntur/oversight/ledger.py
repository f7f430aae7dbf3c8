"""Canonical bytes, signed checkpoints, and the audit of a whole record: bytes in, verdict out.

Formats, so that anyone can write a verifier of their own (docs/explanation/record.md says it at length):

* canonical JSON is RFC 8785 with one difference: whole numbers are written out exactly, also beyond 2^53 (times in
  nanoseconds are), where RFC 8785 would round them to a double;
* a leaf is the RFC 6962 leaf hash of one entry's canonical bytes, without the line end;
* a checkpoint is a C2SP tlog-checkpoint: a signed note (https://c2sp.org/signed-note) with an Ed25519 signature whose
  key name is the origin.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from typing import Any

import msgspec
import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kuntur.errors import RecordError
from kuntur.model.records import Checkpoint, LogEntry
from kuntur.oversight.merkle import HASH_BYTES

ENTRY_BYTES_MAX = 65_535  # the largest entry a C2SP tlog-tiles bundle can hold (16-bit length)
_ED25519 = b"\x01"  # signature type of https://c2sp.org/signed-note
_EXPONENT_FROM = 21  # ECMAScript Number::toString writes 1e21 and above with an exponent


# --- canonical JSON


def canonical_json(value: Any) -> bytes:
    """The one byte string that stands for `value` (dict, list, str, int, float, bool, None, or a msgspec struct).

    Raises RecordError for what has no such form: NaN, infinities, lone surrogates, keys that are not text.
    """
    try:
        return _json(msgspec.to_builtins(value, enc_hook=_plain)).encode("utf-8")
    except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
        raise RecordError(
            f"This cannot be written into a record: {error}.",
            remedy="Use text, whole numbers, finite numbers, true, false, null, lists and objects only.",
        ) from error


def content_sha256(value: Any) -> str:
    """SHA-256, in hex, of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _plain(value: Any) -> Any:
    """A numpy scalar as the Python number it stands for."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} has no canonical form")


def _json(value: Any) -> str:
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(_json(item) for item in value) + "]"
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("an object has a key that is not text")
        # RFC 8785 3.2.3 sorts keys by their UTF-16 code units.
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{_json(key)}:{_json(value[key])}" for key in keys) + "}"
    raise TypeError(f"a {type(value).__name__} has no canonical form")


def _number(value: float) -> str:
    """ECMAScript Number::toString (ECMA-262 6.1.6.1.20), as RFC 8785 3.2.2.3 demands.

    Python's repr gives the same shortest digits; only where the point and the exponent stand differs.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if value == 0.0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))  # value = 0.digits * 10^point
    digits = digits.rstrip("0")
    n = len(digits)
    if n <= point <= _EXPONENT_FROM:
        return sign + digits + "0" * (point - n)
    if 0 < point <= _EXPONENT_FROM:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if n > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"


# --- entries


def entry_bytes(entry: LogEntry) -> bytes:
    """The canonical bytes of one entry; RecordError when it is too large or holds what JSON cannot."""
    data = canonical_json(entry)
    if len(data) > ENTRY_BYTES_MAX:
        raise RecordError(
            f"Entry {entry.index} ({entry.action}) would take {len(data)} bytes; {ENTRY_BYTES_MAX} are allowed.",
            remedy="Keep the product in a file and its SHA-256 in the entry.",
        )
    return data


def parse_entry(line: bytes) -> LogEntry:
    """The entry that these canonical bytes stand for; RecordError when they are not canonical bytes of an entry."""
    try:
        entry = msgspec.convert(json.loads(line.decode("utf-8")), LogEntry)
        canonical = entry_bytes(entry)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise RecordError(f"not an entry: {error}") from error
    if canonical != line:
        raise RecordError("an entry, but not written in the one canonical way")
    return entry


# --- checkpoints


def verifier_key(origin: str, public_key: bytes) -> str:
    """The public key as Go's note package writes it: `<origin>+<key id>+<base64 of 0x01 and the 32-byte key>`."""
    return f"{origin}+{key_id(origin, public_key).hex()}+{_base64(_ED25519 + public_key)}"


def parse_verifier_key(text: str) -> tuple[str, bytes]:
    """(origin, 32-byte Ed25519 public key) of such a text; RecordError when it is not one, to the last character."""
    parts = text.split("+", 2)
    try:
        encoded = _unbase64(parts[2])
        origin, public_key = parts[0], encoded[1:]
        if encoded[:1] == _ED25519 and len(public_key) == 32 and verifier_key(origin, public_key) == text:
            check_origin(origin)
            return origin, public_key
    except (IndexError, binascii.Error):
        pass
    raise RecordError("not a public key: it should read <origin>+<key id>+<base64>", remedy="Ask for the key again.")


def key_id(origin: str, public_key: bytes) -> bytes:
    """The first four bytes of SHA-256(key name, newline, signature type, public key)."""
    return hashlib.sha256(origin.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def check_origin(origin: str) -> None:
    """Raise RecordError unless `origin` can be both the first line of a checkpoint and a key name."""
    if not origin or "+" in origin or any(c.isspace() or ord(c) < 0x20 for c in origin):
        raise RecordError(
            f"'{origin}' cannot name a record.", remedy="Use a name without spaces, plus signs and control characters."
        )


def sign_checkpoint(origin: str, size: int, root: bytes, key: Ed25519PrivateKey) -> str:
    """The signed note for the first `size` entries."""
    check_origin(origin)
    return sign_note(f"{origin}\n{size}\n{_base64(root)}\n", origin, key)


def sign_note(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """`text`, which ends with a line end, with an Ed25519 signature line by the key `name` under it."""
    signature = key_id(name, key.public_key().public_bytes_raw()) + key.sign(text.encode())
    return f"{text}\n— {name} {_base64(signature)}\n"


def open_note(note: str, name: str, public_key: bytes) -> tuple[str, str]:
    """The text of a signed note and the base64 signature on it by the key `name`; RecordError says what is wrong.

    Signature lines of other keys (witnesses) are passed over, as the specification asks.
    """
    text, blank, signatures = note.rpartition("\n\n")
    text += "\n"
    if not blank or not signatures.endswith("\n"):
        raise RecordError("not a signed note: it needs text, an empty line and a signature line")
    for line in signatures[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        signer, _, encoded = rest.rpartition(" ")
        try:
            signature = _unbase64(encoded)
        except binascii.Error as error:
            raise RecordError("a signature line that is not base64") from error
        if dash != "—" or not signer or len(signature) < 5:
            raise RecordError("a signature line that does not read '— <name> <base64>'")
        if signer != name or signature[:4] != key_id(name, public_key):
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature[4:], text.encode())
        except (InvalidSignature, ValueError) as error:
            raise RecordError("its signature does not fit: the checkpoint or the key was changed") from error
        return text, encoded
    raise RecordError("no signature by this record's key")


def open_checkpoint(note: str, origin: str, public_key: bytes) -> Checkpoint:
    """Read one checkpoint and check the signature of `public_key` on it; extension lines are passed over."""
    text, signature = open_note(note, origin, public_key)
    lines = text[:-1].split("\n")
    if len(lines) < 3:
        raise RecordError("not a checkpoint: it needs origin, size and root")
    if lines[0] != origin:
        raise RecordError(f"a checkpoint of '{lines[0]}', not of '{origin}'")
    return Checkpoint(
        origin=origin,
        size=_size(lines[1]),
        root_sha256=_root(lines[2]).hex(),
        signature=signature,
        key_id=key_id(origin, public_key).hex(),
    )


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or (text[0] == "0" and text != "0") or len(text) > 18:
        raise RecordError(f"'{text}' is not a tree size")
    return int(text)


def _root(text: str) -> bytes:
    try:
        root = _unbase64(text)
    except binascii.Error as error:
        raise RecordError("a root hash that is not base64") from error
    if len(root) != HASH_BYTES:
        raise RecordError(f"a root hash of {len(root)} bytes instead of {HASH_BYTES}")
    return root


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unbase64(text: str) -> bytes:
    """Standard base64 in its one canonical spelling; binascii.Error otherwise."""
    if not text.isascii():
        raise binascii.Error("not ASCII")
    data = base64.b64decode(text, validate=True)
    if _base64(data) != text:
        raise binascii.Error("not the canonical spelling")
    return data
