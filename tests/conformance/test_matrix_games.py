"""Matrix games: our certificate of an optimal mixture is the value that a linear program gives, no more and no less.

Any matrix of detection probabilities is a committed game (`small_games`): a row is a column of ours, a column is a
crosser's route. The reference is the textbook linear program, solved by HiGHS.
"""

from __future__ import annotations

import numpy as np
import pytest
import small_games
from scipy.optimize import nnls

from kuntur.patrol import bounds, game


def as_view(detection: np.ndarray) -> small_games.exposure.View:
    """One piece a row: it sees route j with the probability in the matrix."""
    return small_games.committed(
        detection.shape[1], 1, [{(j, 0): -np.log1p(-p) for j, p in enumerate(row) if p > 0.0} for row in detection]
    )


def as_mixture(sigma: np.ndarray) -> game.Mixture:
    return small_games.committed_mixture(np.arange(len(sigma), dtype=np.int32)[:, None, None], sigma)


def random_matrix(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows, cols = int(rng.integers(2, 60)), int(rng.integers(2, 60))
    kind = seed % 3
    if kind == 0:
        return rng.random((rows, cols)) * 0.99
    if kind == 1:  # seen for certain or not at all
        return np.where(rng.random((rows, cols)) < 0.3, 1.0 - 1e-15, 0.0)
    return -np.expm1(-rng.exponential(0.5, (rows, cols)) * (rng.random((rows, cols)) < 0.4))


@pytest.mark.parametrize("seed", range(24))
def test_floor_of_the_optimal_mixture_is_the_value(seed: int) -> None:
    detection = random_matrix(seed)
    value, sigma, _ = small_games.matrix_value(detection)
    view = as_view(detection)
    floor = game.backward(view, as_mixture(sigma)).floor
    assert value - 3e-6 <= floor <= value + 1e-9
    attacked = bounds.attack(view, as_mixture(sigma), np.random.default_rng(seed), segments=4)
    assert attacked.detection[0] == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_no_other_mixture_is_certified_above_the_value(seed: int) -> None:
    """Every mixture has its own exact value, the least entry of sigma A: never more than the game's."""
    detection = random_matrix(seed)
    value, sigma, _ = small_games.matrix_value(detection)
    view, rng = as_view(detection), np.random.default_rng(seed)
    for mixed in (
        np.full(len(sigma), 1.0 / len(sigma)),
        rng.dirichlet(np.full(len(sigma), 0.2)),
        np.eye(len(sigma))[0],
    ):
        floor = game.backward(view, as_mixture(mixed)).floor
        exact = float((mixed @ detection).min())
        assert exact - 3e-6 <= floor <= exact + 1e-9
        assert floor <= value + 1e-9


@pytest.mark.parametrize("seed", range(12))
def test_the_derivative_is_a_mixture_of_the_tight_routes(seed: int) -> None:
    """What `respond` prices rows with: some mixture of the routes that are best against sigma, as a dual's is."""
    detection = random_matrix(seed)
    value, sigma, rho = small_games.matrix_value(detection)
    assert float((detection @ rho).max()) == pytest.approx(value, abs=1e-7)  # the reference agrees with itself
    view, mixture = as_view(detection), as_mixture(sigma)
    response = game.respond(view, mixture, game.backward(view, mixture), np.random.default_rng(seed))
    tight = detection[:, detection.T @ sigma <= value + 1e-5]
    prices = 1.0 - response.survival[1]
    _, off = nnls(np.vstack([tight, np.ones(tight.shape[1])]), np.append(prices, 1.0))
    assert off < 1e-6
    assert prices @ sigma == pytest.approx(value, abs=1e-6)


def test_two_schedules_with_exposures_0_and_2() -> None:
    """SCIENCE's first trap: the truth is 0.43, what expected exposure says is 0.63."""
    view = small_games.committed(1, 1, [{}, {(0, 0): 2.0}])
    floor = game.backward(view, as_mixture(np.array([0.5, 0.5]))).floor
    assert floor == pytest.approx(0.5 * (1.0 - np.exp(-2.0)), abs=1e-6)
    assert floor < 0.44 < 1.0 - np.exp(-1.0)
