// Fixed routes of the crosser: what a mixture shows of each cell, cheapest routes through it, what a route survives.
#include <nanobind/nanobind.h>
#include <nanobind/stl/tuple.h>

#include <cmath>
#include <limits>
#include <tuple>

#include "game_arrays.hpp"
#include "module.hpp"

namespace kuntur {
namespace game {
namespace {

using namespace nb::literals;

// exposure(t, u) = sum over columns of weight * sum over aircraft of -log factor, for the waves laid end to end.
Out<float> mixture_exposure(const HeldPieces& pieces, In<std::int32_t, 4> plan, In<double, 2> weight, int threads) {
    const std::size_t waves = plan.shape(0), columns = plan.shape(1), aircraft = plan.shape(2), steps = plan.shape(3);
    require(weight.shape(0) == waves && weight.shape(1) == columns, "weight is not (waves, columns)");
    const auto cells = static_cast<std::size_t>(pieces.cells());
    auto exposure = make_out<float>({waves * steps, cells});
    nb::gil_scoped_release free_interpreter;
    share(static_cast<int>(waves), threads, [&](int wave) {
        const auto w = static_cast<std::size_t>(wave);
        for (std::size_t c = 0; c < columns; ++c) {
            const double share_prob = weight.data()[w * columns + c];
            if (share_prob == 0.0) continue;
            for (std::size_t k = 0; k < aircraft; ++k) {
                for (std::size_t t = 0; t < steps; ++t) {
                    const std::int32_t piece = plan.data()[((w * columns + c) * aircraft + k) * steps + t];
                    if (piece < 0) continue;
                    float* row = exposure.data() + (w * steps + t) * cells;
                    for (std::int64_t i = pieces.pieces.start[piece]; i < pieces.pieces.start[piece + 1]; ++i) {
                        row[pieces.pieces.cell[i]] -= static_cast<float>(share_prob) * std::log(pieces.pieces.factor[i]);
                    }
                }
            }
        }
    });
    return exposure;
}

using Routes = std::tuple<Out<double>, Out<std::int32_t>>;

// Cheapest routes from each group of start cells in each window of steps [window[i], window[i + 1]) to the goal before the
// end. cost(t, u) is paid for step t in cell u. route: (groups * windows, steps) cell per step, -1 outside.
Routes cheapest_routes(const HeldGraph& held, In<float, 2> cost, In<std::int32_t, 1> group, In<std::int32_t, 1> window) {
    const Graph& g = held.graph;
    const auto steps = static_cast<std::int32_t>(cost.shape(0));
    const auto cells = static_cast<std::size_t>(g.cells);
    require(cost.shape(1) == cells && group.size() == static_cast<std::size_t>(g.start_count) && window.size() >= 2,
            "cost, group or window do not fit");
    std::int32_t groups = 0;
    for (std::size_t i = 0; i < group.size(); ++i) groups = std::max(groups, group.data()[i] + 1);
    const std::size_t windows = window.size() - 1;
    const std::size_t count = static_cast<std::size_t>(groups) * windows;
    auto least = make_out<double>({count});
    auto route = make_out<std::int32_t>({count, static_cast<std::size_t>(steps)});
    nb::gil_scoped_release free_interpreter;
    const double inf = std::numeric_limits<double>::infinity();
    const std::size_t row = cells + 1;
    const auto n = static_cast<std::size_t>(steps);
    std::vector<double> value((n + 1) * row, inf);  // least cost to go
    std::vector<double> tail((n + 1) * cells, 0.0);  // cost of standing still from t to the end
    std::vector<double> best(cells, inf);
    for (std::size_t t = 0; t <= n; ++t) value[t * row + cells] = 0.0;
    const auto through = [&](std::size_t t, std::int32_t a, std::size_t u) {  // cost from t on, counted against the tail
        const std::size_t then = t + static_cast<std::size_t>(g.arc_tau[a]);
        return then > n ? inf : value[then * row + static_cast<std::size_t>(g.arc_to[a])] - tail[then * cells + u];
    };
    for (std::size_t t = n; t-- > 0;) {
        for (std::size_t u = 0; u < cells; ++u) {
            tail[t * cells + u] = tail[(t + 1) * cells + u] + static_cast<double>(cost.data()[t * cells + u]);
            double low = best[u];
            for (std::int32_t a = g.arc_start[u]; a < g.arc_start[u + 1]; ++a) low = std::min(low, through(t, a, u));
            best[u] = low;
            value[t * row + u] = low + tail[t * cells + u];
        }
    }
    std::fill(route.data(), route.data() + route.size(), -1);
    for (std::size_t i = 0; i < count; ++i) {
        const auto wanted = static_cast<std::int32_t>(i / windows);
        const std::size_t w = i % windows;
        double low = inf;
        std::size_t t = 0, u = cells;
        for (std::int32_t j = 0; j < g.start_count; ++j) {
            if (group.data()[j] != wanted) continue;
            const auto cell = static_cast<std::size_t>(g.starts[j]);
            const auto last = std::min(steps, window.data()[w + 1]);
            for (std::int32_t k = std::max(0, window.data()[w]); k < last; ++k) {
                const double v = value[static_cast<std::size_t>(k) * row + cell];
                if (v <= low) low = v, t = static_cast<std::size_t>(k), u = cell;  // the latest of equals
            }
        }
        least.data()[i] = low;
        if (!(low < inf)) continue;
        std::int32_t* out = route.data() + i * n;
        while (u != cells) {
            const double target = value[t * row + u] - tail[t * cells + u];
            std::size_t depart = t;
            std::int32_t arc = -1;
            double nearest = inf;
            for (std::size_t k = t; k < n && !(nearest <= target + 1e-12); ++k) {
                for (std::int32_t a = g.arc_start[u]; a < g.arc_start[u + 1]; ++a) {
                    const double c = through(k, a, u);
                    if (c < nearest) nearest = c, depart = k, arc = a;
                }
            }
            const std::size_t then = depart + static_cast<std::size_t>(g.arc_tau[arc]);
            for (std::size_t k = t; k < then; ++k) out[k] = static_cast<std::int32_t>(u);
            u = static_cast<std::size_t>(g.arc_to[arc]);
            t = then;
        }
    }
    return {least, route};
}

// Exposure of fixed routes under every column: (routes, waves, columns). route: (routes, waves * steps) cells or -1.
Out<double> route_exposure(const HeldPieces& pieces, In<std::int32_t, 4> plan, In<std::int32_t, 2> route, int threads) {
    const std::size_t waves = plan.shape(0), columns = plan.shape(1), aircraft = plan.shape(2), steps = plan.shape(3);
    require(route.shape(1) == waves * steps, "a route is not as long as the plan");
    auto exposure = make_out<double>({route.shape(0), waves, columns});
    nb::gil_scoped_release free_interpreter;
    share(static_cast<int>(route.shape(0)), threads, [&](int r) {
        const std::int32_t* cells = route.data() + static_cast<std::size_t>(r) * waves * steps;
        for (std::size_t w = 0; w < waves; ++w) {
            for (std::size_t t = 0; t < steps; ++t) {
                const std::int32_t cell = cells[w * steps + t];
                if (cell < 0) continue;
                for (std::size_t c = 0; c < columns; ++c) {
                    for (std::size_t k = 0; k < aircraft; ++k) {
                        const std::int32_t piece = plan.data()[((w * columns + c) * aircraft + k) * steps + t];
                        if (piece < 0) continue;
                        const std::int32_t* first = pieces.pieces.cell + pieces.pieces.start[piece];
                        const std::int32_t* last = pieces.pieces.cell + pieces.pieces.start[piece + 1];
                        const std::int32_t* at = std::lower_bound(first, last, cell);
                        if (at == last || *at != cell) continue;
                        const float factor = pieces.pieces.factor[at - pieces.pieces.cell];
                        exposure.data()[(static_cast<std::size_t>(r) * waves + w) * columns + c] -= std::log(static_cast<double>(factor));
                    }
                }
            }
        }
    });
    return exposure;
}

}  // namespace
}  // namespace game

void register_game_routes(nanobind::module_& m) {
    using namespace game;
    m.def("mixture_exposure", &mixture_exposure, "pieces"_a, "plan"_a, "weight"_a, "threads"_a,
          "Weighted exposure float32 (waves * steps, cells). plan: int32 (waves, columns, aircraft, steps).");
    m.def("cheapest_routes", &cheapest_routes, "graph"_a, "cost"_a, "group"_a, "window"_a,
          "Least cost float64 (groups * windows) and its route int32 (groups * windows, steps), -1 outside the graph.\n"
          "cost: float32 (steps, cells); group: int32 (starts), -1 unused; window: int32, rising.");
    m.def("route_exposure", &route_exposure, "pieces"_a, "plan"_a, "route"_a, "threads"_a,
          "Exposure float64 (routes, waves, columns) of routes int32 (routes, waves * steps). Cells of a piece must rise.");
}

}  // namespace kuntur
