"""Tracks as a fold over looks: step(state, look) -> state, changes. Same state and look, same answer.

Looks are slow (a place is seen again after one to five minutes) and each brings few detections and some false alarms.
So a track is judged by its score, the log-likelihood ratio of "a mover" against "false alarms" (Sittler 1964;
Blackman & Popoli 1999, section 6.2): a detection adds ln(Pd x density of the innovation / density of false alarms), a
look that should have shown the mover and did not adds ln(1 - Pd). Confirmed and dropped by Wald's sequential test:
M-of-N counting with each look weighed by what it is worth. Between detections a track is kept as it was at its last
one and predicted when asked, so nothing depends on how often it was looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.model.tracks import GroundDetection
from kuntur.tracking import associate, filters
from kuntur.units import NS_PER_S

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SIZE_CLASSES: Final = ("unknown", "person", "light_vehicle", "pack_animal", "truck")
_ALIKE: Final = np.array([0, 1, 2, 1, 2])
"""Classes a detector takes for each other: an animal is about as large as a person, a lorry may look like a car."""
_SPEED_MPS: Final = np.array([filters.MOTIONS[name].speed_mps for name in SIZE_CLASSES])
_MEMORY_S: Final = np.array([filters.MOTIONS[name].memory_s for name in SIZE_CLASSES])
# Sigma points of a plane (Julier & Uhlmann 2004 with n + kappa = 3): weights that keep mean and covariance.
_SPREAD: Final = math.sqrt(3.0) * np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
_WEIGHTS: Final = np.array([2.0, 1.0, 1.0, 1.0, 1.0]) / 6.0


class TrackerSettings(Struct, frozen=True, kw_only=True):
    """Chosen by trial on simulated nights unless said.

    movers_per_m2: density of movers not yet tracked (one in 100 km2 is already a busy border). confirm_prob,
    drop_prob: Wald's test; a track of false alarms is confirmed with at most 1 - confirm_prob, a real one dropped
    with about drop_prob. least_hits: detections a confirmed track needs at least. most_score: good standing is not
    saved beyond this, so that a mover gone is let go in time. gate2: squared Mahalanobis gate, 99.9 % of two degrees
    of freedom. lost_s, lost_m: a track not seen for so long, or that may since have strayed so far (one sigma), is
    let go.
    """

    movers_per_m2: float = 1e-8
    confirm_prob: float = 0.999
    drop_prob: float = 0.05
    least_hits: int = 2
    gate2: float = 13.8
    most_score: float = 10.0
    lost_s: float = 1800.0
    lost_m: float = 2000.0

    @property
    def confirm_score(self) -> float:
        return math.log((1.0 - self.drop_prob) / (1.0 - self.confirm_prob))

    @property
    def drop_score(self) -> float:
        return math.log(self.drop_prob / self.confirm_prob)


class Look(Struct, frozen=True, kw_only=True):
    """One frame: what was detected, and what could have been.

    x_m, y_m, reach_m: nothing farther from there can have been seen. false_alarms_per_m2: (m,) density of false
    alarms on the ground at each detection. seen_prob: detection probability of movers at positions (k, 2) of size
    classes (k,).
    """

    t_ns: int
    x_m: float
    y_m: float
    reach_m: float
    detections: tuple[GroundDetection, ...]
    false_alarms_per_m2: tuple[float, ...]
    seen_prob: Callable[[FloatArray, IntArray], FloatArray]


class TrackerState(Struct, frozen=True, kw_only=True):
    """All tracks, one row each, as they were at their last detection (t_ns)."""

    next_id: int
    id: IntArray
    t_ns: IntArray
    first_t_ns: IntArray
    state: FloatArray
    cov: FloatArray
    score: FloatArray
    hits: IntArray
    size_class: IntArray
    confirmed: NDArray[np.bool_]

    def at(self, t_ns: int, rows: IntArray | slice = slice(None)) -> tuple[FloatArray, FloatArray]:
        """States (k, 4) and covariances (k, 4, 4) predicted to t_ns; a track seen later than that stays as it is."""
        dt_s = np.maximum(t_ns - self.t_ns[rows], 0) / NS_PER_S
        kind = self.size_class[rows]
        return filters.predict(self.state[rows], self.cov[rows], dt_s, _SPEED_MPS[kind], _MEMORY_S[kind])


class Change(Struct, frozen=True, kw_only=True):
    """What a look did to a track."""

    track_id: int
    what: Literal["new", "seen", "confirmed", "deleted"]


def start() -> TrackerState:
    """No tracks yet."""
    none = np.zeros(0, np.int64)
    return TrackerState(
        next_id=1,
        id=none,
        t_ns=none,
        first_t_ns=none,
        state=np.zeros((0, 4)),
        cov=np.zeros((0, 4, 4)),
        score=np.zeros(0),
        hits=none,
        size_class=none,
        confirmed=np.zeros(0, bool),
    )


def step(
    tracks: TrackerState, look: Look, settings: TrackerSettings | None = None
) -> tuple[TrackerState, tuple[Change, ...]]:
    """The tracks after one look. Looks must come in the order of their time."""
    settings = settings or TrackerSettings()
    near = _near(tracks, look)
    if not look.detections and len(near) == 0 and not _overdue(tracks, look.t_ns, settings).any():
        return tracks, ()
    states, covs = tracks.at(look.t_ns, near)
    found_prob = _found_prob(look, states, covs, tracks.size_class[near])
    pairs = _pairs(tracks, near, states, covs, found_prob, look, settings)
    score = tracks.score.copy()
    score[near] += np.log1p(-found_prob)  # a miss; taken back below where there was a hit
    after = msgspec.structs.replace(tracks, score=score)
    if look.detections:
        after = _hits(after, near, states, covs, found_prob, pairs, look, settings)
    return _judge(tracks, after, look.t_ns, settings)


def _near(tracks: TrackerState, look: Look) -> IntArray:
    """Rows of the tracks that can be within reach of the look at all (three standard deviations)."""
    kind = tracks.size_class
    dt_s = np.maximum(look.t_ns - tracks.t_ns, 0) / NS_PER_S
    distance_m = np.hypot(tracks.state[:, 0] - look.x_m, tracks.state[:, 1] - look.y_m)
    sigma_m = np.sqrt(tracks.cov[:, 0, 0] + tracks.cov[:, 1, 1])
    speed_mps = np.hypot(tracks.state[:, 2], tracks.state[:, 3]) + 3.0 * _SPEED_MPS[kind]
    near: IntArray = np.flatnonzero(distance_m - 3.0 * sigma_m - speed_mps * dt_s <= look.reach_m).astype(np.int64)
    return near


def _found_prob(look: Look, states: FloatArray, covs: FloatArray, kind: IntArray) -> FloatArray:
    """Probability (k,) that each track's mover is detected in this look, over the spread of where it may be."""
    if len(states) == 0:
        return np.zeros(0)
    a, b, d = covs[:, 0, 0], covs[:, 0, 1], covs[:, 1, 1]
    root = np.zeros((len(states), 2, 2))  # Cholesky factor of the position's covariance
    root[:, 0, 0] = np.sqrt(a)
    root[:, 1, 0] = b / root[:, 0, 0]
    root[:, 1, 1] = np.sqrt(np.maximum(d - root[:, 1, 0] ** 2, 0.0))
    spread = states[:, None, :2] + np.einsum("nij,sj->nsi", root, _SPREAD)
    prob = look.seen_prob(spread.reshape(-1, 2), np.repeat(kind, len(_SPREAD))).reshape(len(states), -1)
    return np.minimum(prob @ _WEIGHTS, 0.99)


def _measurements(look: Look) -> tuple[FloatArray, FloatArray, IntArray]:
    z_m = np.array([(d.x_m, d.y_m) for d in look.detections])
    xx, xy, yy = np.array([d.cov_m2 for d in look.detections]).T
    R_m2 = np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2)
    return z_m, R_m2, np.array([SIZE_CLASSES.index(d.size_class) for d in look.detections])


def _pairs(
    tracks: TrackerState,
    near: IntArray,
    states: FloatArray,
    covs: FloatArray,
    found_prob: FloatArray,
    look: Look,
    settings: TrackerSettings,
) -> list[tuple[int, int]]:
    """Assigned (row of near, detection)."""
    if not look.detections or len(near) == 0:
        return []
    z_m, R_m2, kind = _measurements(look)
    distance2, log_det = filters.innovation(states, covs, z_m, R_m2)
    mine = tracks.size_class[near][:, None]
    alike = (_ALIKE[mine] == _ALIKE[kind]) | (mine == 0) | (kind == 0)
    gain = _hit_gain(distance2, log_det, found_prob[:, None], np.array(look.false_alarms_per_m2))
    return associate.assign(gain, alike & (distance2 <= settings.gate2))


def _hit_gain(
    distance2: FloatArray, log_det: FloatArray, found_prob: FloatArray, false_alarms_per_m2: FloatArray
) -> FloatArray:
    """Log-likelihood ratio of a detection being this track's against being a false alarm."""
    log_density = -0.5 * (distance2 + log_det) - math.log(2.0 * math.pi)
    return log_density + np.log(np.maximum(found_prob, 0.01)) - np.log(false_alarms_per_m2)


def _hits(
    tracks: TrackerState,
    near: IntArray,
    states: FloatArray,
    covs: FloatArray,
    found_prob: FloatArray,
    pairs: list[tuple[int, int]],
    look: Look,
    settings: TrackerSettings,
) -> TrackerState:
    """Update the tracks that were detected, and begin one for every detection that is nobody's."""
    z_m, R_m2, kind = _measurements(look)
    new = msgspec.structs.replace(
        tracks,
        t_ns=tracks.t_ns.copy(),
        state=tracks.state.copy(),
        cov=tracks.cov.copy(),
        hits=tracks.hits.copy(),
        size_class=tracks.size_class.copy(),
    )
    for i, j in pairs:
        row = near[i]
        distance2, log_det = filters.innovation(states[i : i + 1], covs[i : i + 1], z_m[j : j + 1], R_m2[j : j + 1])
        density = np.array([look.false_alarms_per_m2[j]])
        gain = _hit_gain(distance2, log_det, found_prob[i : i + 1], density)
        new.score[row] += float(gain[0, 0]) - math.log1p(-found_prob[i])
        new.state[row], new.cov[row] = filters.update(states[i], covs[i], z_m[j], R_m2[j])
        new.t_ns[row] = max(look.t_ns, int(new.t_ns[row]))
        new.hits[row] += 1
        if new.size_class[row] == 0:
            new.size_class[row] = kind[j]
    taken = {j for _, j in pairs}
    fresh = [j for j in range(len(look.detections)) if j not in taken]
    seeds = [(z_m[j], R_m2[j], int(kind[j]), look.false_alarms_per_m2[j]) for j in fresh]
    return _begin(new, seeds, look.t_ns, settings) if seeds else new


def _begin(
    tracks: TrackerState,
    seeds: list[tuple[FloatArray, FloatArray, int, float]],
    t_ns: int,
    settings: TrackerSettings,
) -> TrackerState:
    """Add a track for each (position, covariance, class, density of false alarms)."""
    count = len(seeds)
    begun = [filters.initial(z, R, filters.MOTIONS[SIZE_CLASSES[kind]]) for z, R, kind, _ in seeds]
    score = [math.log(settings.movers_per_m2 / false_alarms_per_m2) for _, _, _, false_alarms_per_m2 in seeds]
    return TrackerState(
        next_id=tracks.next_id + count,
        id=np.append(tracks.id, np.arange(tracks.next_id, tracks.next_id + count)),
        t_ns=np.append(tracks.t_ns, np.full(count, t_ns)),
        first_t_ns=np.append(tracks.first_t_ns, np.full(count, t_ns)),
        state=np.vstack([tracks.state, [state for state, _ in begun]]),
        cov=np.concatenate([tracks.cov, [cov for _, cov in begun]]),
        score=np.append(tracks.score, score),
        hits=np.append(tracks.hits, np.ones(count, np.int64)),
        size_class=np.append(tracks.size_class, [kind for _, _, kind, _ in seeds]),
        confirmed=np.append(tracks.confirmed, np.zeros(count, bool)),
    )


@lru_cache(maxsize=8)
def _longest_gap_ns(settings: TrackerSettings) -> IntArray:
    """By size class: how long a track may go unseen."""
    gaps_s = [filters.longest_gap_s(filters.MOTIONS[name], settings.lost_m) for name in SIZE_CLASSES]
    return np.round(np.minimum(gaps_s, settings.lost_s) * NS_PER_S).astype(np.int64)


def _overdue(tracks: TrackerState, t_ns: int, settings: TrackerSettings) -> NDArray[np.bool_]:
    """Tracks not seen for too long."""
    overdue: NDArray[np.bool_] = t_ns - tracks.t_ns > _longest_gap_ns(settings)[tracks.size_class]
    return overdue


def _judge(
    before: TrackerState, after: TrackerState, t_ns: int, settings: TrackerSettings
) -> tuple[TrackerState, tuple[Change, ...]]:
    """Confirm, let go, and say what changed. Rows of `before` are the first rows of `after`."""
    known = len(before.id)
    gone = (after.score < settings.drop_score) | _overdue(after, t_ns, settings)
    gone[known:] = False
    if known == len(after.id) and not gone.any() and np.array_equal(after.hits, before.hits):
        return after, ()  # misses at most, and those never raise a score
    confirmed = after.confirmed | ((after.score >= settings.confirm_score) & (after.hits >= settings.least_hits))
    seen = np.flatnonzero(after.hits[:known] > before.hits)
    changes: list[Change] = [Change(track_id=int(track_id), what="new") for track_id in after.id[known:]]
    for row in seen:
        newly = bool(confirmed[row]) and not bool(before.confirmed[row])
        changes.append(Change(track_id=int(after.id[row]), what="confirmed" if newly else "seen"))
    changes += [Change(track_id=int(track_id), what="deleted") for track_id in after.id[gone]]
    kept = ~gone
    after = msgspec.structs.replace(
        after,
        id=after.id[kept],
        t_ns=after.t_ns[kept],
        first_t_ns=after.first_t_ns[kept],
        state=after.state[kept],
        cov=after.cov[kept],
        score=np.minimum(after.score[kept], settings.most_score),
        hits=after.hits[kept],
        size_class=after.size_class[kept],
        confirmed=confirmed[kept],
    )
    return after, tuple(changes)
