"""An `Area` as bytes and back: how a program hands the place to another one (a simulated aircraft in its own process).

MessagePack with arrays as (dtype, shape, data). Everything is checked on the way in: types by msgspec, shapes by numpy.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from kuntur.errors import ConfigError
from kuntur.model.place import Area

_DTYPES = ("<f4", "<f8")


def encode(area: Area) -> bytes:
    """The area with its terrain and geoid as MessagePack."""
    return msgspec.msgpack.encode(area, enc_hook=_encode_array)


def decode(data: bytes) -> Area:
    """The area that `encode` wrote. Raises ConfigError when the bytes are anything else or not whole."""
    try:
        return msgspec.msgpack.decode(data, type=Area, dec_hook=_decode_array)
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"This is not a packed area, or only a part of one: {error}.", remedy="Write it again from the area file."
        ) from error


def _encode_array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        return {"dtype": array.dtype.newbyteorder("<").str, "shape": array.shape, "data": array.tobytes()}
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"no packed form for {type(value).__name__}")


def _decode_array(_type: type, value: Any) -> Any:
    if not isinstance(value, dict) or value.get("dtype") not in _DTYPES:
        raise ValueError("an array is missing or has an unknown type")
    return np.frombuffer(value["data"], np.dtype(value["dtype"])).reshape(value["shape"])
