// Fixed routes of the crosser: what a mixture shows of each cell, and what a route survives.
#include <nanobind/nanobind.h>
#include <nanobind/stl/tuple.h>

#include <cmath>
#include <tuple>

#include "game_arrays.hpp"
#include "module.hpp"
#include "routes.hpp"

namespace kuntur {

void register_routes(nanobind::module_& m);
void register_routes_fields(nanobind::module_& m);
void register_routes_prune(nanobind::module_& m);

namespace game {
namespace {

using namespace nb::literals;

// exposure(t, u) = sum over columns of weight * sum over aircraft of the exposure, for the waves laid end to end.
Out<float> mixture_exposure(HeldPieces& pieces, In<std::int32_t, 4> plan, In<double, 2> weight, int threads) {
    const std::size_t waves = plan.shape(0), columns = plan.shape(1), steps = plan.shape(3);
    require(weight.shape(0) == waves && weight.shape(1) == columns, "weight is not (waves, columns)");
    const auto cells = static_cast<std::size_t>(pieces.cells());
    auto exposure = make_out<float>({waves * steps, cells});
    nb::gil_scoped_release free_interpreter;
    const Shown shown{pieces.pieces, pieces.exposure(), plan.data(), waves, columns, plan.shape(2), steps, cells};
    share(static_cast<int>(waves), threads, [&](int wave) {
        const auto w = static_cast<std::size_t>(wave);
        add_wave(shown, w, weight.data() + w * columns, exposure.data() + w * steps * cells);
    });
    return exposure;
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
    register_routes(m);
    register_routes_fields(m);
    register_routes_prune(m);
    m.def("route_exposure", &route_exposure, "pieces"_a, "plan"_a, "route"_a, "threads"_a,
          "Exposure float64 (routes, waves, columns) of routes int32 (routes, waves * steps). Cells of a piece must rise.");
}

}  // namespace kuntur
