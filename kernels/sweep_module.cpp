#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include <cmath>
#include <optional>
#include <tuple>

#include "module.hpp"
#include "sweep_plan.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kuntur {
namespace {

using Heights = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
// col, row, alt, cell width, cell height, reach, weight, azimuth, sector width, least and greatest depression
using Observers = nb::ndarray<const double, nb::shape<-1, 11>, nb::c_contig, nb::device::cpu>;
template <class T>
using Plane = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void add_seen(Heights heights, std::optional<Heights> targets, Observers observers, int mode, double target_height_m,
           double curvature_per_m, Table table, double step_m, std::tuple<std::int64_t, std::int64_t> corner,
           std::optional<Plane<std::uint16_t>> count, std::optional<Plane<std::uint16_t>> unknown,
           std::optional<Plane<float>> best_slant_m, std::optional<Plane<float>> least_height_m,
           std::optional<Plane<float>> exposure, int threads) {
    sweep::Request q{};
    q.ground = {heights.data(), targets ? targets->data() : nullptr, static_cast<std::int64_t>(heights.shape(0)),
                static_cast<std::int64_t>(heights.shape(1))};
    if (targets && (targets->shape(0) != heights.shape(0) || targets->shape(1) != heights.shape(1))) {
        throw nb::value_error("targets and heights differ in shape");
    }
    if (q.ground.rows < 2 || q.ground.cols < 2) throw nb::value_error("a sweep needs at least 2 x 2 heights");
    std::int64_t rows = 0, cols = 0;
    const auto plane = [&](const auto& wanted) {
        using Value = typename std::decay_t<decltype(*wanted)>::Scalar;
        if (!wanted) return static_cast<Value*>(nullptr);
        rows = static_cast<std::int64_t>(wanted->shape(0));
        cols = static_cast<std::int64_t>(wanted->shape(1));
        return wanted->data();
    };
    q.count = plane(count);
    q.unknown = plane(unknown);
    q.best = plane(best_slant_m);
    q.least = plane(least_height_m);
    q.exposure = plane(exposure);
    const auto [row0, col0] = corner;
    q.window = {row0, row0 + rows, col0, col0 + cols};
    if (row0 < 0 || col0 < 0 || q.window.row1 > q.ground.rows || q.window.col1 > q.ground.cols) {
        throw nb::value_error("the window does not lie on this terrain");
    }
    const auto near_whole = [](double x) {  // a position that arithmetic has moved off a cell centre
        return std::abs(x - std::nearbyint(x)) < 1e-6 ? std::nearbyint(x) : x;
    };
    for (std::size_t k = 0; k < observers.shape(0); ++k) {
        const auto of = [&](std::size_t n) { return observers(k, n); };
        q.observers.push_back({near_whole(of(0)), near_whole(of(1)), of(2), of(3), of(4), of(5), of(6), of(7), of(8), of(9), of(10)});
    }
    q.mode = static_cast<sweep::Mode>(mode);
    q.target_height_m = target_height_m;
    q.curvature_per_m = curvature_per_m;
    q.table = table.data();
    q.steps = static_cast<std::int32_t>(table.shape(0));
    q.step_m = step_m;
    q.threads = threads;
    nb::gil_scoped_release free_interpreter;
    sweep::run(q);
}

}  // namespace

void register_sweep(nb::module_& m) {
    m.def("sweep", &add_seen, "heights_m"_a, "targets_m"_a.none(), "observers"_a, "mode"_a, "target_height_m"_a,
          "curvature_per_m"_a, "table"_a, "step_m"_a, "corner"_a, "count"_a.none(), "unknown"_a.none(),
          "best_slant_m"_a.none(), "least_height_m"_a.none(), "exposure"_a.none(), "threads"_a,
          "Adds what the observers see to planes that all lie on one window of the heights, from its corner on.");
}

}  // namespace kuntur
