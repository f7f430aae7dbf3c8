"""Nearly constant velocity, batched: predict and update many tracks at once.

The velocity keeps its direction but forgets it over `memory_s` (integrated Ornstein-Uhlenbeck process, Li & Jilkov
2003, "Survey of maneuvering target tracking I", the Singer family). Over gaps short against the memory it is the
constant velocity model; over the minutes between two looks its uncertainty stays that of a walker, where a
white-acceleration model would let it run away. State: x, y, vx, vy (m, m/s, local frame).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Motion(Struct, frozen=True, kw_only=True):
    """How a class of mover moves: standing spread of each velocity component, and how long a velocity lasts."""

    speed_mps: float
    memory_s: float


# Walking: Tobler (1993) gives 5 km/h on level ground; spread over two axes, sqrt(1/2) * 1.4 m/s; led animals walk with
# people. Driving: 36 km/h off the paved road, chosen. Unknown lies between. How long a heading lasts is chosen: paths
# between valleys run for minutes.
MOTIONS: Final = {
    "person": Motion(speed_mps=1.0, memory_s=900.0),
    "pack_animal": Motion(speed_mps=1.0, memory_s=900.0),
    "light_vehicle": Motion(speed_mps=7.0, memory_s=300.0),
    "truck": Motion(speed_mps=7.0, memory_s=300.0),
    "unknown": Motion(speed_mps=2.0, memory_s=600.0),
}


def predict(
    states: FloatArray, covs: FloatArray, dt_s: FloatArray, speed_mps: FloatArray, memory_s: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """States (n, 4) and covariances (n, 4, 4) after dt_s (n,) >= 0 of motion with these parameters (n,)."""
    n = len(states)
    kept = np.exp(-dt_s / memory_s)
    carried = memory_s * (1.0 - kept)
    F = np.zeros((n, 4, 4))
    F[:, range(4), range(4)] = np.stack([np.ones(n), np.ones(n), kept, kept], axis=1)
    F[:, 0, 2] = F[:, 1, 3] = carried
    variance = speed_mps**2
    position = _position_noise_m2(dt_s, speed_mps, memory_s)
    cross = variance * memory_s * (1.0 - kept) ** 2
    velocity = variance * (1.0 - kept**2)
    Q = np.zeros((n, 4, 4))
    for axis in (0, 1):
        Q[:, axis, axis] = position
        Q[:, axis, axis + 2] = Q[:, axis + 2, axis] = cross
        Q[:, axis + 2, axis + 2] = velocity
    return np.einsum("nij,nj->ni", F, states), F @ covs @ F.transpose(0, 2, 1) + Q


def _position_noise_m2(dt_s: FloatArray, speed_mps: FloatArray, memory_s: FloatArray) -> FloatArray:
    """Variance of the position after dt_s from the velocity's changes alone."""
    kept = np.exp(-dt_s / memory_s)
    straying = 2.0 * dt_s - memory_s * (3.0 - 4.0 * kept + kept**2)
    return np.asarray(speed_mps**2 * memory_s * np.maximum(straying, 0.0))


def drift_m(dt_s: FloatArray, speed_mps: FloatArray, memory_s: FloatArray) -> FloatArray:
    """One-sigma distance per axis a mover may have gone from its predicted place in dt_s, however well it was known."""
    return np.sqrt(_position_noise_m2(dt_s, speed_mps, memory_s))


def longest_gap_s(motion: Motion, farthest_m: float) -> float:
    """After how long a mover may have strayed `farthest_m` (one sigma per axis)."""
    low_s, high_s = 0.0, 1e6
    while high_s - low_s > 0.1:
        middle_s = (low_s + high_s) / 2.0
        one = np.array([middle_s])
        strayed_m = drift_m(one, np.array([motion.speed_mps]), np.array([motion.memory_s]))[0]
        low_s, high_s = (middle_s, high_s) if strayed_m < farthest_m else (low_s, middle_s)
    return low_s


def initial(z_m: FloatArray, R_m2: FloatArray, motion: Motion) -> tuple[FloatArray, FloatArray]:
    """State (4,) and covariance (4, 4) of a mover seen once: velocity unknown within its class."""
    cov = np.zeros((4, 4))
    cov[:2, :2] = R_m2
    cov[2, 2] = cov[3, 3] = motion.speed_mps**2
    return np.concatenate([z_m, np.zeros(2)]), cov


def innovation(
    states: FloatArray, covs: FloatArray, z_m: FloatArray, R_m2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Squared Mahalanobis distance (n, m) and log determinant of the innovation covariance (n, m).

    z_m: (m, 2) positions; R_m2: (m, 2, 2).
    """
    S = covs[:, None, :2, :2] + R_m2[None]
    v = z_m[None] - states[:, None, :2]
    a, b, d = S[..., 0, 0], S[..., 0, 1], S[..., 1, 1]
    det = a * d - b * b
    distance2 = (d * v[..., 0] ** 2 - 2.0 * b * v[..., 0] * v[..., 1] + a * v[..., 1] ** 2) / det
    return distance2, np.log(det)


def update(state: FloatArray, cov: FloatArray, z_m: FloatArray, R_m2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Kalman update of one track by one position (Joseph form: stays symmetric and positive)."""
    S = cov[:2, :2] + R_m2
    K = np.linalg.solve(S, cov[:2, :]).T
    keep = np.eye(4)
    keep[:, :2] -= K
    new_cov = keep @ cov @ keep.T + K @ R_m2 @ K.T
    return state + K @ (z_m - state[:2]), (new_cov + new_cov.T) / 2.0
