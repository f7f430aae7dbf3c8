"""Rows of the tracker in the words of the model: with latitude, longitude, chainage and which side of the border."""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.geodesy import frames, lines
from kuntur.model.place import Border, LocalFrame
from kuntur.model.tracks import Track
from kuntur.tracking.tracker import SIZE_CLASSES, TrackerState

IntArray = NDArray[np.int64]


class Side(Struct, frozen=True, kw_only=True):
    """A track against the border: distance behind it (positive on our side), speed away from it, their sigmas."""

    offset_m: float
    offset_sigma_m: float
    inward_mps: float
    inward_sigma_mps: float

    @property
    def ours_prob(self) -> float:
        """Probability that the mover is on our side."""
        return _above_zero(self.offset_m, self.offset_sigma_m)

    @property
    def inward_prob(self) -> float:
        """Probability that the mover goes away from the border into our side."""
        return _above_zero(self.inward_mps, self.inward_sigma_mps)


def _above_zero(mean: float, sigma: float) -> float:
    return 0.5 * math.erfc(-mean / max(sigma, 1e-9) / math.sqrt(2.0))


def to_tracks(frame: LocalFrame, border: Border, tracks: TrackerState, rows: IntArray, t_ns: int | None) -> list[Track]:
    """The tracks of these rows, predicted to t_ns, or as they were at their last detection where t_ns is None."""
    if len(rows) == 0:
        return []
    if t_ns is None:
        states, covs = tracks.state[rows], tracks.cov[rows]
    else:
        states, covs = tracks.at(t_ns, rows)
    lat_deg, lon_deg = frames.to_geodetic(frame, states[:, 0], states[:, 1])
    chainage_m, offset_m = lines.inward_offset(border.xy_m, border.ours, states[:, 0], states[:, 1])
    return [
        Track(
            id=int(tracks.id[row]),
            t_ns=int(tracks.t_ns[row]) if t_ns is None else t_ns,
            first_t_ns=int(tracks.first_t_ns[row]),
            state=tuple(states[k].tolist()),
            cov=tuple(covs[k].ravel().tolist()),
            status="confirmed" if tracks.confirmed[row] else "tentative",
            size_class=SIZE_CLASSES[tracks.size_class[row]],
            hits=int(tracks.hits[row]),
            lat_deg=float(lat_deg[k]),
            lon_deg=float(lon_deg[k]),
            chainage_m=float(chainage_m[k]),
            offset_m=float(offset_m[k]),
        )
        for k, row in enumerate(rows)
    ]


def side(border: Border, track: Track) -> Side:
    """The track against the border, its errors taken along the way to the border."""
    x_m, y_m, vx_mps, vy_mps = track.state
    step_m = 10.0
    _, d = lines.inward_offset(
        border.xy_m,
        border.ours,
        np.array([x_m + step_m, x_m - step_m, x_m, x_m]),
        np.array([y_m, y_m, y_m + step_m, y_m - step_m]),
    )
    nx, ny = d[0] - d[1], d[2] - d[3]
    length = max(math.hypot(nx, ny), 1e-9)
    nx, ny = nx / length, ny / length
    c = track.cov
    return Side(
        offset_m=track.offset_m,
        offset_sigma_m=math.sqrt(max(nx * nx * c[0] + 2.0 * nx * ny * c[1] + ny * ny * c[5], 0.0)),
        inward_mps=nx * vx_mps + ny * vy_mps,
        inward_sigma_mps=math.sqrt(max(nx * nx * c[10] + 2.0 * nx * ny * c[11] + ny * ny * c[15], 0.0)),
    )
