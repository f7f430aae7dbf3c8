"""Canonical JSON against the samples of RFC 8785: numbers (appendix B), key order and strings (section 3.2)."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuntur.errors import RecordError
from kuntur.oversight.ledger import canonical_json

# RFC 8785 appendix B: IEEE 754 bits in hex, and how that number is written.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items())
def test_numbers(bits: str, text: str) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(value) == text.encode()


def test_strings_and_literals() -> None:
    """The sample of RFC 8785 3.2.2 and 3.2.3, without its number that only a double would round."""
    value = {
        "string": '€$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    expected = r'{"literals":[null,true,false],"string":"€$\u000f\nA' + "'" + r'B\"\\\\\"/"}'
    assert canonical_json(value) == expected.encode()


def test_keys_are_sorted_by_utf16_units() -> None:
    """The sample of RFC 8785 3.2.3: the emoji (a surrogate pair, D83D DE00) sorts before U+FB33."""
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = canonical_json(dict.fromkeys(keys, 0)).decode()
    assert list(json.loads(written)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_whole_numbers_stay_exact() -> None:
    assert canonical_json({"t_ns": 1_798_761_600_123_456_789}) == b'{"t_ns":1798761600123456789}'


def test_numpy_scalars_are_the_numbers_they_stand_for() -> None:
    value = {"a": np.float64(0.1), "b": [np.int64(3)], "c": np.bool_(True), "d": np.float32(0.5)}
    assert canonical_json(value) == b'{"a":0.1,"b":[3],"c":true,"d":0.5}'


NO_FORM = [np.array([1.0]), np.float64("inf"), float("nan"), float("inf"), "\ud800", {1: 2}, {"a": {None: 1}}, object()]


@pytest.mark.parametrize("value", NO_FORM)
def test_what_has_no_form_is_refused(value: object) -> None:
    with pytest.raises(RecordError):
        canonical_json(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_writing_what_was_read_changes_nothing(value: object) -> None:
    written = canonical_json(value)
    assert canonical_json(json.loads(written)) == written


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_is_read_back_as_it_was(value: float) -> None:
    assert float(canonical_json(value)) == value
