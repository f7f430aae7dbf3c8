"""Ground that nobody sees: found exactly where it lets a crosser through, and said before planning."""

from __future__ import annotations

import pytest
import small_games

from kuntur.errors import InfeasibleError
from kuntur.patrol import blind

# Two ways of two cells each: 0, 1 and 2, 3, each cell a step long but the last, which takes five.
ARCS = [(0, 1, 1), (1, 4, 5), (2, 3, 1), (3, 4, 5)]


def test_a_way_is_blind_unless_some_cell_of_it_is_ever_seen() -> None:
    beside = small_games.view(ARCS, 4, [0, 2], [{1: 0.1}])
    found = blind.blind_way(beside, 10.0)
    assert found is not None and found.share == 0.5 and found.least_s == 6.0
    assert found.from_m == found.to_m == beside.graph.chainage_m[2]
    assert blind.blind_way(small_games.view(ARCS, 4, [0, 2], [{1: 0.1}, {3: 0.1}]), 10.0) is None
    assert blind.blind_way(beside, 5.0) is None, "it does not fit into the window"


def test_the_stretch_nobody_sees_is_named() -> None:
    net = small_games.walker_net(2, [(0, 1)])
    with pytest.raises(InfeasibleError, match=r"gets through unseen from 50% of its cells, between km 0\.2 and 0\.2"):
        blind.require_sight([small_games.view(ARCS, 4, [0, 2], [{1: 0.1}])], [net], 10.0)
    blind.require_sight([small_games.view(ARCS, 4, [0, 2], [{1: 0.1, 2: 1e-3}])], [net], 10.0)
