"""The parameters of a simulated autopilot and their protocol (mavlink.io, "Parameter Protocol"): list, read, set.

Names and units are ArduPilot's where ArduPilot has the parameter, so one ground station speaks to both. Each kind keeps
only the parameters this simulation honours: setting one changes how it flies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pymavlink.dialects.v20 import ardupilotmega as dialect

Send = Callable[[Any], None]

_REAL32: Final = int(dialect.MAV_PARAM_TYPE_REAL32)

# name: (value, lowest, highest). Defaults are ArduPilot's (its parameter reference), lost link included: no return.
_COPTER: Final[dict[str, tuple[float, float, float]]] = {
    "FS_GCS_ENABLE": (0.0, 0.0, 2.0),  # 1: return when the ground station is lost
    "FS_GCS_TIMEOUT": (5.0, 2.0, 3600.0),
    "RTL_ALT": (1500.0, 0.0, 800_000.0),  # cm above home
    "TERRAIN_ENABLE": (1.0, 0.0, 1.0),
    "TERRAIN_SPACING": (100.0, 30.0, 1000.0),
}
_PLANE: Final[dict[str, tuple[float, float, float]]] = {
    "FS_GCS_ENABL": (0.0, 0.0, 2.0),
    "FS_LONG_ACTN": (0.0, 0.0, 3.0),  # 0: carry on in AUTO, 1: return
    "FS_LONG_TIMEOUT": (5.0, 1.0, 3600.0),
    "ALT_HOLD_RTL": (10_000.0, -1.0, 800_000.0),  # cm above home; -1: as it is
    "WP_RADIUS": (90.0, 1.0, 32_767.0),
    "WP_LOITER_RAD": (60.0, 10.0, 32_767.0),
    "LIM_ROLL_CD": (4500.0, 1000.0, 6000.0),
    "TERRAIN_ENABLE": (1.0, 0.0, 1.0),
    "TERRAIN_SPACING": (100.0, 30.0, 1000.0),
}


class Parameters:
    """A small table that answers the parameter protocol."""

    def __init__(self, *, wing: bool, system_id: int, send: Send) -> None:
        self._table = dict(_PLANE if wing else _COPTER)
        self._table["SYSID_THISMAV"] = (float(system_id), float(system_id), float(system_id))
        self._send = send

    def __getitem__(self, name: str) -> float:
        return self._table[name][0]

    def handle(self, said: Any) -> None:
        """Answer one PARAM_* message. An unknown name is not answered, as ArduPilot does it."""
        kind = said.get_msgId()
        names = sorted(self._table)
        if kind == dialect.MAVLINK_MSG_ID_PARAM_REQUEST_LIST:
            for name in names:
                self._report(name)
        elif kind == dialect.MAVLINK_MSG_ID_PARAM_REQUEST_READ:
            if 0 <= said.param_index < len(names):
                self._report(names[said.param_index])
            elif said.param_id in self._table:
                self._report(said.param_id)
        elif kind == dialect.MAVLINK_MSG_ID_PARAM_SET and said.param_id in self._table:
            _, low, high = self._table[said.param_id]
            if low <= said.param_value <= high:  # anything else, NaN too, is refused by reporting the old value
                self._table[said.param_id] = (float(said.param_value), low, high)
            self._report(said.param_id)

    def _report(self, name: str) -> None:
        self._send(
            dialect.MAVLink_param_value_message(
                name.encode(), self._table[name][0], _REAL32, len(self._table), sorted(self._table).index(name)
            )
        )
