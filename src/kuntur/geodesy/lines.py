"""Stationing along the border: chainage, offset, points at a chainage, densifying. Lines are (n, 2) arrays, metres."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

_PART_ELEMENTS = 200_000  # point-piece pairs held in memory at once


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
    chainage, side = np.empty(len(p)), np.empty(len(p))
    per_part = max(1, _PART_ELEMENTS // len(xy_m))
    for start in range(0, len(p), per_part):
        part = slice(start, start + per_part)
        chainage[part], side[part] = _project_part(xy_m, p[part])
    return chainage.reshape(shape), side.reshape(shape)


def _project_part(xy_m: FloatArray, p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """`project` for points (n, 2), all against all pieces of the line at once."""
    a, d = xy_m[:-1], np.diff(xy_m, axis=0)
    length2 = np.maximum(np.einsum("ij,ij->i", d, d), 1e-12)
    length = np.sqrt(length2)
    wx, wy = p[:, :1] - a[:, 0], p[:, 1:] - a[:, 1]
    t = np.clip((wx * d[:, 0] + wy * d[:, 1]) / length2, 0.0, 1.0)
    dist2 = (wx - t * d[:, 0]) ** 2 + (wy - t * d[:, 1]) ** 2
    across = (d[:, 0] * wy - d[:, 1] * wx) / length
    # On a tie (nearest point is a shared vertex) the piece the point is more perpendicular to decides.
    least = dist2.min(axis=1, keepdims=True)
    nearest = np.where(np.isclose(dist2, least, rtol=1e-12, atol=1e-9), np.abs(across), -1.0).argmax(axis=1)
    row = np.arange(len(p))
    offset = np.sqrt(dist2[row, nearest]) * np.where(across[row, nearest] >= 0, 1.0, -1.0)
    return chainages(xy_m)[:-1][nearest] + t[row, nearest] * length[nearest], offset


def inward_offset(
    xy_m: FloatArray, ours: Literal["left", "right"], x_m: ArrayLike, y_m: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Chainage and distance from the border, positive on our side."""
    chainage, offset = project(xy_m, x_m, y_m)
    return chainage, offset if ours == "left" else -offset


def inside(ring_m: FloatArray, x_m: ArrayLike, y_m: ArrayLike) -> NDArray[np.bool_]:
    """Whether points lie inside a ring, by the even-odd rule (Shimrat 1962); shape of x_m, at least 1-d."""
    x, y = np.broadcast_arrays(np.atleast_1d(np.asarray(x_m, float)), np.atleast_1d(np.asarray(y_m, float)))
    odd = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(ring_m, np.roll(ring_m, -1, axis=0), strict=True):
        if ay == by:
            continue
        spans = (ay > y) != (by > y)
        odd ^= spans & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return odd
