// The segment game on plain arrays: who may move where (Graph), what a flown piece shows (Pieces), and one wave of the
// backward recursion for a few columns at once (Sweep). Mathematics: docs of kuntur.patrol.game.
#pragma once

#include <cstdint>

namespace kuntur::game {

constexpr int lanes = 8;  // columns swept side by side: one AVX2 register of floats

// Crosser moves. Cells 0..cells-1, the absorbing goal is `cells`. Arc a leaves cell u for arc_start[u] <= a <
// arc_start[u + 1], takes arc_tau[a] >= 1 steps and ends in arc_to[a]. A crosser on arc a with r steps left
// (1 <= r < tau) is mid-arc state mid_start[a] + r - 1.
struct Graph {
    std::int32_t cells = 0;
    std::int32_t mids = 0;
    std::int32_t longest = 0;  // largest tau
    const std::int32_t* arc_start = nullptr;
    const std::int32_t* arc_to = nullptr;
    const std::int32_t* arc_tau = nullptr;
    const std::int32_t* mid_start = nullptr;
    const std::int32_t* mid_arc = nullptr;   // arc of a mid-arc state
    const std::int32_t* arc_from = nullptr;  // cell an arc leaves
    const std::int32_t* starts = nullptr;    // cells a crosser may appear in
    std::int32_t start_count = 0;
};

// What one aircraft shows in one step on one piece of its path: survival factor exp(-exposure), rounded up, per cell.
struct Pieces {
    const std::int64_t* start = nullptr;
    const std::int32_t* cell = nullptr;
    const float* factor = nullptr;
};

// One group of `lanes` columns through one wave. Rows are kept in a ring of `depth` rows: longest + 1 are enough for the
// value at the wave's beginning, steps + 1 keep every row for tracing.
struct Sweep {
    std::int32_t steps = 0;
    std::int32_t aircraft = 0;
    std::int32_t depth = 0;
    const std::int32_t* plan[lanes] = {};  // (aircraft, steps) piece or -1; null: nothing is flown
    const float* value_next = nullptr;     // (cells) at the wave's end
    const float* mid_next = nullptr;       // (mids)
    float* reach = nullptr;                // (depth, cells, lanes) R = 1 / survival of standing still from t to the end
    float* value = nullptr;                // (depth, cells + 1, lanes) M, the goal last
    float* best = nullptr;                 // (cells, lanes) scratch
    double* stay = nullptr;                // (cells, lanes) scratch: survival of standing still from t to the end, / unit
    float* unit = nullptr;                 // (cells, lanes) scratch: what Q, R and best of a cell are measured in
    float* seen = nullptr;                 // (cells, lanes) scratch: survival of this step
    const std::int32_t* start_group = nullptr;  // (start_count)
    float* start_best = nullptr;                // out: (groups, lanes) max of M over the start cells of a group and all steps
};

void sweep_baseline(const Graph& graph, const Pieces& pieces, Sweep& sweep);
void sweep_avx2(const Graph& graph, const Pieces& pieces, Sweep& sweep);
// Expectation over the lanes of each state's value at the wave's beginning: cell_sum (cells), mid_sum (mids).
void expect_baseline(const Graph& graph, const Sweep& sweep, const double* weight, double* cell_sum, double* mid_sum);
void expect_avx2(const Graph& graph, const Sweep& sweep, const double* weight, double* cell_sum, double* mid_sum);

}  // namespace kuntur::game
