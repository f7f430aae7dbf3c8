#include "game_sweep.hpp"

namespace kuntur::game {

void sweep_baseline(const Graph& graph, const Pieces& pieces, Sweep& sweep) { sweep_wave(graph, pieces, sweep); }

void expect_baseline(const Graph& graph, const Sweep& sweep, const double* weight, double* cell_sum, double* mid_sum) {
    expect_states(graph, sweep, weight, cell_sum, mid_sum);
}

}  // namespace kuntur::game
