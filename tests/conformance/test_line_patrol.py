"""Patrolling a border that is a line of places: the one patrol game of this kind whose value is known exactly.

Papadaki, Alpern, Lidbetter and Morton, "Patrolling a border", Operations Research 64(6), 2016: a patroller walks a line
of n places, an attack takes m steps at one place, at any time. The value is m / (n + m - 1) where n >= m + 3; among the
shorter lines n = 6 with m = 4 is worth 1/2. The reference below is our own linear program over stationary walks of m
places; what is tested is the product's certificate and search on the same game as it sees it: an attack is a crosser's
route, chosen before anything is drawn (`small_games.committed`), a place is looked at without fail.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import small_games
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack, vstack

from kuntur.patrol import bounds, game

ROUNDS, SHORT = 60, 0.07  # rounds of search, and what it may leave of the value then: measured, not proven


def line(places: int) -> list[tuple[int, int]]:
    return [(p, p + 1) for p in range(places - 1)]


def stationary(walks: np.ndarray, places: int) -> tuple[float, np.ndarray]:
    """The best stationary patrol: a measure on walks of m places whose first and last m - 1 places have one law.

    Such a measure is the window of an endless walk, so its least chance to meet a place is what an attack at any time
    meets; linear program with sparse rows, HiGHS.
    """
    count = len(walks)
    number: dict[tuple[int, ...], int] = {}
    first = [number.setdefault(tuple(w), len(number)) for w in walks[:, :-1].tolist()]
    last = [number.setdefault(tuple(w), len(number)) for w in walks[:, 1:].tolist()]
    ones, at = np.ones(count), np.arange(count)
    balance = csr_array((ones, (first, at)), (len(number), count)) - csr_array((ones, (last, at)), (len(number), count))
    met = csr_array(np.stack([(walks == p).any(axis=1) for p in range(places)]).astype(float))
    answer = linprog(
        np.append(np.zeros(count), -1.0),
        A_ub=hstack([-met, csr_array(np.ones((places, 1)))]),
        b_ub=np.zeros(places),
        A_eq=vstack([hstack([balance, csr_array((len(number), 1))]), csr_array(np.append(ones, 0.0)[None])]),
        b_eq=np.append(np.zeros(len(number)), 1.0),
        bounds=[(0.0, None)] * count + [(None, None)],
        method="highs-ipm" if count > 5000 else "highs",
    )
    sigma = np.maximum(answer.x[:-1], 0.0)
    return float(answer.x[-1]), sigma / sigma.sum()


def attacks(places: int, steps: int, lasting: int) -> list[tuple[int, int]]:
    """(place, first step) of every attack that ends within the horizon."""
    return [(p, t) for p in range(places) for t in range(steps - lasting + 1)]


def attacked_line(places: int, steps: int, lasting: int) -> small_games.exposure.View:
    """The line as a committed game; the pieces are the places."""
    every = attacks(places, steps, lasting)
    seen: list[dict[tuple[int, int], float]] = [{} for _ in range(places)]
    for j, (at, begin) in enumerate(every):
        seen[at] |= {(j, t): small_games.CERTAIN for t in range(begin, begin + lasting)}
    return small_games.committed(len(every), steps, seen)


def met(walks: np.ndarray, every: Sequence[tuple[int, int]], lasting: int) -> np.ndarray:
    """(walks, attacks): 1 where the walk meets the attack."""
    return np.stack([(walks[:, t : t + lasting] == p).any(axis=1) for p, t in every], axis=1).astype(float)


KNOWN = [(5, 2, 1 / 3), (6, 3, 3 / 8), (7, 4, 0.4), (6, 4, 0.5), (10, 4, 4 / 13), (12, 6, 6 / 17), (20, 5, 5 / 24)]


@pytest.mark.parametrize(("places", "lasting", "value"), KNOWN)
def test_the_certificate_of_the_best_patrol_is_the_known_value(places: int, lasting: int, value: float) -> None:
    net = small_games.walker_net(places, line(places))
    walks = small_games.paths(net, lasting)
    best, sigma = stationary(walks, places)
    assert best == pytest.approx(value, abs=1e-7)
    if places >= lasting + 3:
        assert value == pytest.approx(lasting / (places + lasting - 1))
    used = sigma > 1e-9
    mixture = small_games.committed_mixture(walks[used][:, None, :], sigma[used] / sigma[used].sum())
    view = attacked_line(places, lasting, lasting)
    floor = game.backward(view, mixture).floor
    assert value - 1e-5 <= floor <= value + 1e-9  # exact but for rounding, and that downwards
    found = bounds.attack(view, mixture, np.random.default_rng(0))
    assert found.detection[0] == pytest.approx(value, abs=1e-6)


@pytest.mark.slow
def test_the_largest_line_with_a_published_row() -> None:
    net = small_games.walker_net(20, line(20))
    assert stationary(small_games.paths(net, 8), 20)[0] == pytest.approx(8 / 27, abs=1e-6)


@pytest.mark.parametrize(
    ("places", "lasting", "value"), [(10, 4, 0.222), (12, 6, 0.273), (20, 5, 0.132), (20, 8, 0.211)]
)
def test_a_sweep_with_random_start_is_worth_less(places: int, lasting: int, value: float) -> None:
    """Uniform phase on one fixed route: m / (2 (n - 1)) at the ends of the line, well under the optimum."""
    there_and_back = np.concatenate([np.arange(places), np.arange(places - 2, 0, -1)])
    sweeps = np.stack([np.roll(there_and_back, -k)[:lasting] for k in range(len(there_and_back))]).astype(np.int32)
    mixture = small_games.committed_mixture(sweeps[:, None, :], np.full(len(sweeps), 1.0 / len(sweeps)))
    floor = game.backward(attacked_line(places, lasting, lasting), mixture).floor
    assert floor == pytest.approx(value, abs=6e-4)
    assert 1.29 * floor < lasting / (places + lasting - 1) < 1.6 * floor


@pytest.mark.parametrize(("places", "lasting", "steps"), [(5, 2, 5), (6, 3, 7), (8, 3, 6)])
def test_search_and_ceiling_enclose_the_exact_value(places: int, lasting: int, steps: int) -> None:
    """Attacks at any time of a horizon: the matrix game over all walks, against what the product finds by itself."""
    net = small_games.walker_net(places, line(places))
    walks, every = small_games.paths(net, steps), attacks(places, steps, lasting)
    exact, _, _ = small_games.matrix_value(met(walks, every, lasting))
    assert exact >= lasting / (places + lasting - 1) - 1e-9  # an endless patrol also does for the horizon
    view = attacked_line(places, steps, lasting)
    crew = small_games.walker_crew(net, steps)
    found = small_games.searched([crew], view, steps, rounds=ROUNDS)
    assert exact - SHORT <= found.best_floor <= exact + 1e-9
    routes = small_games.committed_routes(len(every), steps)
    best = bounds.ceiling(view, [net], [crew.arc_piece], routes, 2 * steps)
    assert best >= exact
    assert best <= 1.0
