#include "game_sweep.hpp"

namespace kuntur::game {

void sweep_avx2(const Graph& graph, const Pieces& pieces, Sweep& sweep) { sweep_wave(graph, pieces, sweep); }

void expect_avx2(const Graph& graph, const Sweep& sweep, const double* weight, double* cell_sum, double* mid_sum) {
    expect_states(graph, sweep, weight, cell_sum, mid_sum);
}

}  // namespace kuntur::game
