"""Pursuit on random grids: the layered graph security games of Cerny, Ling, Kroer and Iyengar (IJCAI 2024, 298).

The family as the paper and its generators (CoffeeAndConvexity/LayeredGraphGamesGenerators) describe it, made anew here:
both players walk a grid whose sides are there with probability 0.9, each on its own draw of the grid, standing still is
allowed, and start in opposite corners. Who shares a place with the pursuer at a step is caught.
Pursuit: after `depth` steps the evader has the value, 1 to 9, of the place where he is. Interdiction: he must reach one
of the exits; a step later is worth 0.8 of a step earlier. Payoffs are binary times a value, so the paper's values are
out of reach of additive games; ours takes the value of a target as an exposure that nobody escapes.
The reference is double oracle over all paths, in matrix form, with HiGHS for the restricted game.
"""

from __future__ import annotations

import numpy as np
import pytest
import small_games

from kuntur.patrol import bounds, game

DROPPED = 0.1
DELAY = 0.8
SHORT = 0.08  # of the value, what the search may leave in its 40 rounds: measured, not proven


def grid_links(width: int, height: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    number = np.arange(width * height).reshape(height, width)
    across = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1)
    down = np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1)
    every = np.concatenate([across, down])
    return [(int(a), int(b)) for a, b in every[rng.random(len(every)) >= DROPPED]]


def double_oracle(caught: np.ndarray, worth: np.ndarray) -> tuple[float, np.ndarray, int]:
    """Value to the evader, the pursuer's optimal mixture over all of its paths, and the rounds it took.

    caught (pursuer paths, evader paths) bool; worth (evader paths,). Best responses over all paths, restricted games by
    linear program, until neither oracle gains more than 1e-9.
    """
    payoff = np.where(caught, 0.0, worth[None, :])
    rows, cols = [0], [int(payoff[0].argmax())]
    for rounds in range(1, 500):
        _, sigma, rho = small_games.matrix_value(-payoff[np.ix_(rows, cols)])
        against = sigma @ payoff[rows]
        by_row = payoff[:, cols] @ rho
        col, row = int(against.argmax()), int(by_row.argmin())
        if against[col] - by_row[row] < 1e-9:
            whole = np.zeros(len(payoff))
            np.add.at(whole, rows, sigma)
            return float(against[col]), whole, rounds
        rows, cols = [*rows, row] if row not in rows else rows, [*cols, col] if col not in cols else cols
    raise AssertionError("double oracle did not close")


def pursuit(
    seed: int, width: int, height: int, depth: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, small_games.FlightNet]:
    """Evader paths, their worth in 0..1, pursuer paths (both (n, depth) places) and the pursuer's lattice."""
    rng = np.random.default_rng(seed)
    places = width * height
    evader = small_games.walker_net(places, grid_links(width, height, rng))
    pursuer = small_games.walker_net(places, grid_links(width, height, rng))
    values = rng.integers(1, 10, places)
    ways = small_games.paths(evader, depth, start=0)
    return ways, values[ways[:, -1]] / 10.0, small_games.paths(pursuer, depth, start=places - 1), pursuer


def interdiction(
    seed: int, width: int, height: int, depth: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, small_games.FlightNet]:
    """The same with five exits: only paths that end in one count, and stay there once they have (place -1)."""
    ways, _, hunts, net = pursuit(seed, width, height, depth)
    exits = np.random.default_rng(seed + 1000).integers(1, width * height, 5)
    out = np.isin(ways, exits)
    gone = np.where(out.any(axis=1), out.argmax(axis=1), depth)
    kept, which = np.unique(np.where(np.arange(depth) <= gone[:, None], ways, -1), axis=0, return_index=True)
    through = gone[which] < depth
    return kept[through], DELAY ** gone[which][through], hunts, net


def as_view(ways: np.ndarray, worth: np.ndarray, places: int) -> small_games.exposure.View:
    """Aircraft 0 is the pursuer, one piece a place; aircraft 1 has one piece: what a target is short of 1."""
    depth = ways.shape[1]
    pieces = [dict.fromkeys(zip(*np.nonzero(ways == p), strict=True), small_games.CERTAIN) for p in range(places)]
    short = {(j, depth - 1): float(-np.log(w)) for j, w in enumerate(worth) if w < 1.0}
    return small_games.committed(len(ways), depth, [*pieces, short], [places, 1])


def as_mixture(hunts: np.ndarray, sigma: np.ndarray, places: int) -> game.Mixture:
    used = sigma > 1e-12
    always = np.full_like(hunts[used], -1)
    always[:, -1] = places  # in the last step of every way
    return small_games.committed_mixture(
        np.stack([hunts[used], always], axis=1).astype(np.int32), sigma[used] / sigma[used].sum()
    )


FAMILIES = [("pursuit", 3, 3, 5), ("pursuit", 4, 3, 6), ("interdiction", 4, 4, 5), ("interdiction", 4, 3, 6)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("family", "width", "height", "depth"), FAMILIES)
def test_certificate_of_the_equilibrium_is_its_value(
    family: str, width: int, height: int, depth: int, seed: int
) -> None:
    ways, worth, hunts, _ = (pursuit if family == "pursuit" else interdiction)(seed, width, height, depth)
    escaped, sigma, _ = double_oracle((hunts[:, None, :] == ways[None, :, :]).any(axis=2), worth)
    assert 0.0 <= escaped < 0.9
    places = width * height
    view, mixture = as_view(ways, worth, places), as_mixture(hunts, sigma, places)
    floor = game.backward(view, mixture).floor
    assert 1.0 - escaped - 5e-6 <= floor <= 1.0 - escaped + 1e-9
    attacked = bounds.attack(view, mixture, np.random.default_rng(seed), segments=4)
    assert attacked.detection[0] == pytest.approx(1.0 - escaped, abs=2e-6)


def test_double_oracle_agrees_with_the_whole_matrix() -> None:
    """The reference itself: at the equilibrium no path of either player gains, over all of them."""
    ways, worth, hunts, _ = pursuit(1, 3, 3, 5)
    payoff = np.where((hunts[:, None, :] == ways[None, :, :]).any(axis=2), 0.0, worth)
    escaped, sigma, rounds = double_oracle(payoff == 0.0, worth)
    assert rounds > 3 and (sigma > 1e-9).sum() > 1  # not decided by one path
    assert (sigma @ payoff).max() == pytest.approx(escaped, abs=1e-9)
    assert -small_games.matrix_value(-payoff)[0] == pytest.approx(escaped, abs=1e-7)


HARD = [("pursuit", 3, 3, 5, 1), ("pursuit", 4, 3, 6, 0), ("interdiction", 4, 4, 5, 2), ("interdiction", 4, 3, 6, 0)]


@pytest.mark.parametrize(("family", "width", "height", "depth", "seed"), HARD)
def test_the_search_comes_near_the_equilibrium_from_below(
    family: str, width: int, height: int, depth: int, seed: int
) -> None:
    """The product's own search finds the pursuer's paths: never above the value, and not far below it."""
    ways, worth, hunts, net = (pursuit if family == "pursuit" else interdiction)(seed, width, height, depth)
    escaped, sigma, _ = double_oracle((hunts[:, None, :] == ways[None, :, :]).any(axis=2), worth)
    assert (sigma > 1e-9).sum() >= 3
    places = width * height
    still = small_games.walker_crew(small_games.walker_net(1, []), depth, first=places, east_m=1e7)
    crews = [small_games.walker_crew(net, depth, start=places - 1), still]
    found = small_games.searched(crews, as_view(ways, worth, places), depth, rounds=40)
    assert 1.0 - escaped - SHORT <= found.best_floor <= 1.0 - escaped + 1e-9
