"""Latitudes and longitudes as people write them: -18.28, 18.28S, S 18 16 48, 18°16'48"S, 18:16:48 S."""

from __future__ import annotations

import math
import re
from typing import Literal

from kuntur.errors import ConfigError

_SHAPE = re.compile(
    r"""^(?P<before>[NSEWOnsewo])?\s*(?P<sign>[+\-])?\s*
    (?P<d>\d+(?:\.\d*)?|\.\d+)\s*[°d:\s]?\s*
    (?:(?P<m>\d+(?:\.\d*)?)\s*['′m:\s]?\s*
    (?:(?P<s>\d+(?:\.\d*)?)\s*(?:["″]|''|s(?=\s*[NSEWOnsewo]$))?\s*)?)?
    (?P<after>[NSEWOnsewo])?$""",
    re.VERBOSE,
)
# Spanish writes O (oeste) for west.
_SIGNS = {"lat": {"N": 1.0, "S": -1.0}, "lon": {"E": 1.0, "W": -1.0, "O": -1.0}}


def degrees(text: str, axis: Literal["lat", "lon"]) -> float:
    """Decimal degrees of a latitude or longitude: north and east positive. ConfigError for anything else.

    Decimal degrees with a sign or a letter; degrees and minutes; degrees, minutes and seconds. A longitude may also run
    to 360 and comes back within -180..180.
    """
    name, limit, example = ("latitude", 90.0, "18.28S") if axis == "lat" else ("longitude", 360.0, "69.05W")
    remedy = f"Write decimal degrees (north and east positive) or like {example} or {_DMS[axis]}."
    shape = _SHAPE.match(text.strip().replace(",", "."))
    if shape is None:
        raise ConfigError(f"{text!r} is no {name}.", remedy=remedy)
    letters = [letter.upper() for letter in (shape["before"], shape["after"]) if letter]
    if shape["after"] == "s" and re.search("[dm]", text):
        raise ConfigError(f"{text!r}: the s may stand for seconds or for south.", remedy=remedy)
    if len(letters) > 1 or (letters and (shape["sign"] or letters[0] not in _SIGNS[axis])):
        raise ConfigError(f"{text!r} is no {name}.", remedy=remedy)
    degree, minute, second = (float(shape[part] or 0.0) for part in "dms")
    whole = "." not in shape["d"] or not shape["m"]
    if minute >= 60.0 or second >= 60.0 or not whole or (shape["s"] and "." in shape["m"]):
        raise ConfigError(f"{text!r} is no {name}: minutes and seconds run from 0 to below 60.", remedy=remedy)
    value = degree + minute / 60.0 + second / 3600.0
    value *= _SIGNS[axis][letters[0]] if letters else -1.0 if shape["sign"] == "-" else 1.0
    if abs(value) > limit:
        raise ConfigError(f"There is no {name} of {text} degrees.", remedy=remedy)
    return value if axis == "lat" else (value + 180.0) % 360.0 - 180.0 if abs(value) > 180.0 else value


_DMS = {"lat": "18°16'48\"S", "lon": "69°03'00\"W"}


def words(lat_deg: float, lon_deg: float, places: int = 5) -> str:
    """A position in words: 18.28000° S 69.05000° W."""
    south, west = "S" if lat_deg < 0 else "N", "W" if lon_deg < 0 else "E"
    return f"{abs(lat_deg):.{places}f}° {south} {abs(lon_deg):.{places}f}° {west}"


def compass(azimuth_rad: float) -> str:
    """The one of eight compass points an azimuth (clockwise from north) lies nearest to."""
    points = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
    return points[round(math.degrees(azimuth_rad) / 45.0) % 8]
