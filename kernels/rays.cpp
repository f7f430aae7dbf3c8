// Sight lines and ray hits in bulk.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>

#include <tuple>
#include <utility>

#include "arrays.hpp"
#include "module.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kuntur {
namespace {

constexpr std::int64_t stretch = 2048;  // lines a thread takes at once
constexpr std::int64_t ahead = 4;       // lines between asking memory for a line's heights and looking at them

Array<std::uint8_t> line_of_sight(const HeldRelief& held, Vectors a, Vectors b, double curvature, double error_m,
                                  double correlation_m, int threads) {
    const Relief& relief = held.relief;
    const Doubt doubt{error_m, correlation_m};
    const auto n = static_cast<std::int64_t>(a.shape(0));
    if (b.shape(0) != a.shape(0)) throw nb::value_error("as many ends as beginnings are wanted");
    auto result = make_array<std::uint8_t>({a.shape(0)});
    std::uint8_t* out = result.data();
    nb::gil_scoped_release free_interpreter;
    share_stretches(n, stretch, threads, [&](std::int64_t first, std::int64_t end) {
        for (std::int64_t i = first; i < end; ++i) {
            if (i + ahead < n) relief.fetch(relief.spot(point(a, i + ahead)), relief.spot(point(b, i + ahead)));
            const Point p = point(a, i), q = point(b, i);
            const Sight sight =
                error_m > 0.0 ? relief.certain_sight(q, p, curvature, doubt) : relief.sight(p, q, curvature);
            out[i] = static_cast<std::uint8_t>(sight);
        }
    });
    return result;
}

// From each of n points to each of m: (n, m).
Array<std::uint8_t> sight_table(const HeldRelief& held, Vectors from, Vectors to, double curvature, double error_m,
                                double correlation_m, int threads) {
    const Relief& relief = held.relief;
    const Doubt doubt{error_m, correlation_m};
    const auto m = static_cast<std::int64_t>(to.shape(0));
    const std::int64_t n = static_cast<std::int64_t>(from.shape(0)) * m;
    auto result = make_array<std::uint8_t>({from.shape(0), to.shape(0)});
    std::uint8_t* out = result.data();
    nb::gil_scoped_release free_interpreter;
    share_stretches(n, stretch, threads, [&](std::int64_t first, std::int64_t end) {
        for (std::int64_t i = first; i < end; ++i) {
            const Point p = point(from, i / m), q = point(to, i % m);
            const Sight sight =
                error_m > 0.0 ? relief.certain_sight(q, p, curvature, doubt) : relief.sight(p, q, curvature);
            out[i] = static_cast<std::uint8_t>(sight);
        }
    });
    return result;
}

using Hits = std::tuple<Array<double>, Array<std::uint8_t>, Array<double>, Array<double>>;

Hits ground_hits(const HeldRelief& held, Vectors origins, Vectors directions, double max_range_m, double curvature,
                 int threads) {
    const std::size_t n = origins.shape(0);
    if (directions.shape(0) != n) throw nb::value_error("as many directions as origins are wanted");
    auto hits = make_array<double>({n, 3});
    auto status = make_array<std::uint8_t>({n});
    auto slants = make_array<double>({n});
    auto incidences = make_array<double>({n});
    double* hit_m = hits.data();
    std::uint8_t* state = status.data();
    double *slant_m = slants.data(), *incidence_rad = incidences.data();
    {
        nb::gil_scoped_release free_interpreter;
        share_stretches(static_cast<std::int64_t>(n), stretch, threads, [&](std::int64_t first, std::int64_t end) {
            for (std::int64_t i = first; i < end; ++i) {
                Point hit;
                state[i] = static_cast<std::uint8_t>(held.relief.ground(point(origins, i), point(directions, i),
                                                                        max_range_m, curvature, hit, slant_m[i],
                                                                        incidence_rad[i]));
                hit_m[3 * i] = hit.x_m;
                hit_m[3 * i + 1] = hit.y_m;
                hit_m[3 * i + 2] = hit.z_m;
            }
        });
    }
    return {hits, status, slants, incidences};
}

}  // namespace

void register_rays(nb::module_& m) {
    nb::class_<HeldRelief>(m, "Relief", "Heights (rows, cols) prepared for rays; row 0 northernmost, NaN a void.")
        .def(
            "__init__",
            [](HeldRelief* self, Heights heights, double cell_x_m, double cell_y_m, double x0_m, double y0_m) {
                if (heights.shape(0) < 2 || heights.shape(1) < 2) {
                    throw nb::value_error("a relief needs at least 2 x 2 heights");
                }
                new (self) HeldRelief(std::move(heights), cell_x_m, cell_y_m, x0_m, y0_m);
            },
            "heights_m"_a, "cell_x_m"_a, "cell_y_m"_a, "x0_m"_a, "y0_m"_a)
        .def("line_of_sight", &line_of_sight, "a_m"_a, "b_m"_a, "curvature_per_m"_a, "error_m"_a, "correlation_m"_a,
             "threads"_a)
        .def("sight_table", &sight_table, "from_m"_a, "to_m"_a, "curvature_per_m"_a, "error_m"_a, "correlation_m"_a,
             "threads"_a)
        .def("ground_hits", &ground_hits, "origins_m"_a, "directions"_a, "max_range_m"_a, "curvature_per_m"_a,
             "threads"_a);
}

}  // namespace kuntur
