"""Stationing along the border: chainage, offset, points at a chainage, densifying. Lines are (n, 2) arrays in metres."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def chainages(xy_m: FloatArray) -> FloatArray:
    """Cumulative length at each vertex (n,), starting at 0."""
    steps = np.hypot(*np.diff(xy_m, axis=0).T)
    return np.concatenate([[0.0], np.cumsum(steps)])


def point_at(xy_m: FloatArray, chainage_m: ArrayLike) -> FloatArray:
    """Points (..., 2) at the given chainages, clamped to the ends."""
    s = chainages(xy_m)
    at = np.asarray(chainage_m, float)
    return np.stack([np.interp(at, s, xy_m[:, 0]), np.interp(at, s, xy_m[:, 1])], axis=-1)


def densify(xy_m: FloatArray, spacing_m: float) -> FloatArray:
    """Points at most `spacing_m` apart along the line, both ends included."""
    length = float(chainages(xy_m)[-1])
    return point_at(xy_m, np.linspace(0.0, length, max(2, int(np.ceil(length / spacing_m)) + 1)))


def clip(xy_m: FloatArray, from_m: float, to_m: float) -> FloatArray:
    """The part of the line between two chainages."""
    s = chainages(xy_m)
    inner = (s > from_m) & (s < to_m)
    return np.vstack([point_at(xy_m, from_m), xy_m[inner], point_at(xy_m, to_m)])


def project(xy_m: FloatArray, x_m: ArrayLike, y_m: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Chainage and signed offset (positive to the left, looking along increasing chainage) of points from the line.

    The sign of a point nearest to a vertex is taken from the turn there, so it is right inside sharp bends too.
    """
    x = np.atleast_1d(np.asarray(x_m, float))
    y = np.atleast_1d(np.asarray(y_m, float))
    x, y = np.broadcast_arrays(x, y)
    shape = x.shape
    p = np.stack([x.ravel(), y.ravel()], axis=-1)
    a, d = xy_m[:-1], np.diff(xy_m, axis=0)
    length2 = np.maximum(np.einsum("ij,ij->i", d, d), 1e-12)
    s0 = chainages(xy_m)[:-1]
    best2 = np.full(len(p), np.inf)
    chainage = np.zeros(len(p))
    side = np.zeros(len(p))
    for k in range(len(a)):  # segments are few hundred; points many
        w = p - a[k]
        t = np.clip(w @ d[k] / length2[k], 0.0, 1.0)
        r = w - t[:, None] * d[k]
        dist2 = np.einsum("ij,ij->i", r, r)
        cross = d[k, 0] * w[:, 1] - d[k, 1] * w[:, 0]
        length = np.sqrt(length2[k])
        # On a tie (nearest point is a shared vertex) the segment the point is more perpendicular to decides.
        tie = np.isclose(dist2, best2, rtol=1e-12, atol=1e-9)
        closer = (dist2 < best2) & ~tie
        stronger = tie & (np.abs(cross / length) > np.abs(side))
        take = closer | stronger
        best2 = np.where(closer, dist2, best2)
        chainage = np.where(closer, s0[k] + t * length, chainage)
        side = np.where(take, cross / length, side)
    offset = np.sqrt(best2) * np.where(side >= 0, 1.0, -1.0)
    return chainage.reshape(shape), offset.reshape(shape)


def inward_offset(
    xy_m: FloatArray, ours: Literal["left", "right"], x_m: ArrayLike, y_m: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Chainage and distance from the border, positive on our side."""
    chainage, offset = project(xy_m, x_m, y_m)
    return chainage, offset if ours == "left" else -offset
