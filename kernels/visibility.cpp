#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <thread>
#include <tuple>
#include <vector>

#include "module.hpp"
#include "relief.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kuntur {
namespace {

using Heights = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Vectors = nb::ndarray<const double, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Array = nb::ndarray<nb::numpy, T, nb::c_contig>;

template <class T>
Array<T> make_array(std::initializer_list<std::size_t> shape) {
    std::size_t size = 1;
    for (const std::size_t n : shape) size *= n;
    T* data = static_cast<T*>(std::calloc(std::max<std::size_t>(size, 1), sizeof(T)));  // untouched pages stay free
    if (data == nullptr) throw std::bad_alloc();
    const nb::capsule owner(data, [](void* p) noexcept { std::free(p); });
    return Array<T>(data, shape.size(), shape.begin(), owner);
}

// work(i) for every i < count, on `threads` threads that take the next free i. Results must not depend on the order.
template <class Work>
void share(std::int64_t count, int threads, Work&& work) {
    std::atomic<std::int64_t> next{0};
    const auto run = [&] {
        for (std::int64_t i = next++; i < count; i = next++) work(i);
    };
    std::vector<std::thread> others;
    for (int k = 1; k < threads && k < count; ++k) others.emplace_back(run);
    run();
    for (std::thread& other : others) other.join();
}

// A Relief that keeps the array it looks at.
struct HeldRelief {
    Heights heights;
    Relief relief;

    HeldRelief(Heights array, double cell_m, double x0_m, double y0_m)
        : heights(std::move(array)),
          relief(heights.data(), static_cast<std::int64_t>(heights.shape(0)),
                 static_cast<std::int64_t>(heights.shape(1)), cell_m, x0_m, y0_m) {}
};

Point point(const Vectors& array, std::size_t i) { return {array(i, 0), array(i, 1), array(i, 2)}; }

constexpr std::int64_t batch = 256;  // lines of sight a thread takes at once

Array<std::uint8_t> line_of_sight(const HeldRelief& held, Vectors a, Vectors b, double curvature, int threads) {
    const std::int64_t n = static_cast<std::int64_t>(a.shape(0));
    auto result = make_array<std::uint8_t>({a.shape(0)});
    std::uint8_t* out = result.data();
    {
        nb::gil_scoped_release free_interpreter;
        share((n + batch - 1) / batch, threads, [&](std::int64_t chunk) {
            for (std::int64_t i = chunk * batch; i < std::min(n, (chunk + 1) * batch); ++i) {
                const auto k = static_cast<std::size_t>(i);
                out[i] = static_cast<std::uint8_t>(held.relief.sight(point(a, k), point(b, k), curvature));
            }
        });
    }
    return result;
}

Array<double> fresnel_ratio(const HeldRelief& held, Vectors a, Vectors b, double curvature, double wavelength_m) {
    auto result = make_array<double>({a.shape(0)});
    double* out = result.data();
    nb::gil_scoped_release free_interpreter;
    for (std::size_t i = 0; i < a.shape(0); ++i) {
        out[i] = held.relief.fresnel_ratio(point(a, i), point(b, i), curvature, wavelength_m);
    }
    return result;
}

std::tuple<Array<double>, Array<std::uint8_t>, Array<double>> ground_hits(const HeldRelief& held, Vectors origins,
                                                                          Vectors directions, double max_range_m,
                                                                          double curvature) {
    const std::size_t n = origins.shape(0);
    auto hits = make_array<double>({n, 3});
    auto status = make_array<std::uint8_t>({n});
    auto slants = make_array<double>({n});
    {
        nb::gil_scoped_release free_interpreter;
        for (std::size_t i = 0; i < n; ++i) {
            Point hit;
            double slant_m;
            status.data()[i] = static_cast<std::uint8_t>(held.relief.ground(
                point(origins, i), point(directions, i), max_range_m, curvature, hit, slant_m));
            hits.data()[3 * i] = hit.x_m;
            hits.data()[3 * i + 1] = hit.y_m;
            hits.data()[3 * i + 2] = hit.z_m;
            slants.data()[i] = slant_m;
        }
    }
    return {hits, status, slants};
}

Array<std::uint8_t> viewshed(const HeldRelief& held, double x_m, double y_m, double z_m, double target_height_m,
                             double max_range_m, double curvature, int threads) {
    const Relief& relief = held.relief;
    const Point observer{x_m, y_m, z_m};
    auto result = make_array<std::uint8_t>({held.heights.shape(0), held.heights.shape(1)});
    std::uint8_t* out = result.data();
    const auto index = [](double value, std::int64_t last) {
        return static_cast<std::int64_t>(std::clamp(value, 0.0, static_cast<double>(last)));
    };
    const double reach = max_range_m / relief.cell_m();
    const std::int64_t row0 = index(std::ceil(relief.to_v(y_m) - reach), relief.rows());
    const std::int64_t row1 = index(std::floor(relief.to_v(y_m) + reach) + 1.0, relief.rows());
    const std::int64_t col0 = index(std::ceil(relief.to_u(x_m) - reach), relief.cols());
    const std::int64_t col1 = index(std::floor(relief.to_u(x_m) + reach) + 1.0, relief.cols());
    nb::gil_scoped_release free_interpreter;
    share(row1 - row0, threads, [&](std::int64_t i) {
        const std::int64_t row = row0 + i;
        for (std::int64_t col = col0; col < col1; ++col) {
            const double dx = relief.x_m(col) - x_m, dy = relief.y_m(row) - y_m;
            if (dx * dx + dy * dy > max_range_m * max_range_m) continue;
            const Point target{relief.x_m(col), relief.y_m(row), relief.at(row, col) + target_height_m};
            const Sight sight = std::isnan(target.z_m) ? Sight::unknown : relief.sight(observer, target, curvature);
            out[row * relief.cols() + col] = static_cast<std::uint8_t>(sight);
        }
    });
    return result;
}

// The search of one camera for one target, as the cell rates need it.
struct Search {
    const float* rate_hz;  // rate_hz[k] holds for slant ranges in [k, k + 1) * step_m
    std::int64_t steps;
    double step_m;
    double least_depression_rad, greatest_depression_rad;
    double target_height_m;
};

// The terrain cells of one lattice cell, in an order that spreads over the cell: a hidden one is found early.
std::vector<std::int64_t> spread_order(std::int64_t factor) {
    std::vector<std::pair<double, std::int64_t>> keyed;
    for (std::int64_t k = 0; k < factor * factor; ++k) {
        // Golden-ratio sequence: neighbours in k are far apart in the key.
        const double key = static_cast<double>(k) * 0.6180339887498949;
        keyed.emplace_back(key - std::floor(key), k);
    }
    std::sort(keyed.begin(), keyed.end());
    std::vector<std::int64_t> order;
    for (const auto& [key, k] : keyed) order.push_back(k);
    return order;
}

struct Cells {
    std::int64_t row0, col0, rows, cols, factor;
};

// Rates of all lattice cells from one viewpoint. hidden[cell]: the sub-cell that hid it last time, tried first now.
void rates_from(const Relief& relief, const Cells& cells, const Point& eye, const Search& search, double curvature,
                const std::vector<std::int64_t>& order, std::vector<std::int32_t>& hidden, float* out) {
    const double max_range_m = static_cast<double>(search.steps) * search.step_m;
    const double eye_u = relief.to_u(eye.x_m), eye_v = relief.to_v(eye.y_m);
    if (!relief.covers(eye_u, eye_v)) return;
    const double reach = max_range_m / relief.cell_m();
    const double f = static_cast<double>(cells.factor);
    const auto index = [](double value, std::int64_t last) {
        return static_cast<std::int64_t>(std::clamp(value, 0.0, static_cast<double>(last)));
    };
    const std::int64_t i0 = index((eye_v - reach - static_cast<double>(cells.row0)) / f, cells.rows);
    const std::int64_t i1 = index((eye_v + reach - static_cast<double>(cells.row0)) / f + 1.0, cells.rows);
    const std::int64_t j0 = index((eye_u - reach - static_cast<double>(cells.col0)) / f, cells.cols);
    const std::int64_t j1 = index((eye_u + reach - static_cast<double>(cells.col0)) / f + 1.0, cells.cols);

    const double least_cos = std::cos(search.least_depression_rad), least_sin = std::sin(search.least_depression_rad);
    const double most_cos = std::cos(search.greatest_depression_rad);
    const double most_sin = std::sin(search.greatest_depression_rad);
    // The slant range to a sub-cell, or a negative number when it cannot be in the picture.
    const auto range_to = [&](std::int64_t row, std::int64_t col, Point& target) {
        const double ground = relief.at(row, col);
        target = {relief.x_m(col), relief.y_m(row), ground + search.target_height_m};
        const double dx = target.x_m - eye.x_m, dy = target.y_m - eye.y_m;
        const double across2 = dx * dx + dy * dy, across = std::sqrt(across2);
        const double to_feet = eye.z_m - ground + curvature * across2;
        const double to_top = to_feet - search.target_height_m;
        // Written so that a void (NaN) fails.
        if (!(to_top * least_cos >= least_sin * across && to_feet * most_cos <= most_sin * across)) return -1.0;
        const double dz = std::max(std::abs(to_feet), std::abs(to_top));
        return std::sqrt(across2 + dz * dz);
    };
    const std::int64_t stride = cells.factor;
    for (std::int64_t i = i0; i < i1; ++i) {
        for (std::int64_t j = j0; j < j1; ++j) {
            const std::int64_t row0 = cells.row0 + i * stride, col0 = cells.col0 + j * stride;
            const std::size_t cell = static_cast<std::size_t>(i * cells.cols + j);
            double farthest_m = 0.0;
            bool seen = true;
            Point target;
            for (std::int64_t k = 0; seen && k < stride * stride; ++k) {
                const double range_m = range_to(row0 + k / stride, col0 + k % stride, target);
                farthest_m = std::max(farthest_m, range_m);
                seen = range_m >= 0.0 && range_m < max_range_m;
            }
            if (!seen) continue;
            const auto step = static_cast<std::int64_t>(farthest_m / search.step_m);
            const float rate_hz = step < search.steps ? search.rate_hz[step] : 0.0F;
            if (!(rate_hz > 0.0F)) continue;
            const auto clear = [&](std::int64_t k) {
                range_to(row0 + k / stride, col0 + k % stride, target);
                return relief.sight(eye, target, curvature) == Sight::clear;
            };
            const std::int32_t last = hidden[cell];
            if (last >= 0 && !clear(last)) continue;
            for (const std::int64_t k : order) {
                if (k == last || clear(k)) continue;
                hidden[cell] = static_cast<std::int32_t>(k);
                seen = false;
                break;
            }
            if (seen) out[cell] = rate_hz;
        }
    }
}

using Lattice = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;  // as in Cells

Array<float> cell_rates(const HeldRelief& held, Lattice lattice, Vectors viewpoints, Table rate_hz, double step_m,
                        double least_depression_rad, double greatest_depression_rad, double target_height_m,
                        double curvature, int threads) {
    const auto [row0, col0, rows, cols, factor] = lattice;
    const Cells cells{row0, col0, rows, cols, factor};
    const Relief& relief = held.relief;
    if (row0 < 0 || col0 < 0 || factor < 1 || row0 + rows * factor > relief.rows() ||
        col0 + cols * factor > relief.cols()) {
        throw nb::value_error("the lattice does not lie on this terrain");
    }
    const Search search{rate_hz.data(), static_cast<std::int64_t>(rate_hz.shape(0)), step_m, least_depression_rad,
                        greatest_depression_rad, target_height_m};
    const std::size_t plane = static_cast<std::size_t>(rows * cols);
    const std::int64_t count = static_cast<std::int64_t>(viewpoints.shape(0));
    auto result =
        make_array<float>({viewpoints.shape(0), static_cast<std::size_t>(rows), static_cast<std::size_t>(cols)});
    float* out = result.data();
    {
        nb::gil_scoped_release free_interpreter;
        const std::vector<std::int64_t> order = spread_order(factor);
        // A contiguous stretch of viewpoints a task: neighbours are hidden by the same sub-cells.
        constexpr std::int64_t stretch = 16;
        share((count + stretch - 1) / stretch, threads, [&](std::int64_t task) {
            std::vector<std::int32_t> hidden(plane, -1);
            for (std::int64_t k = task * stretch; k < std::min(count, (task + 1) * stretch); ++k) {
                const auto viewpoint = static_cast<std::size_t>(k);
                rates_from(relief, cells, point(viewpoints, viewpoint), search, curvature, order, hidden,
                           out + viewpoint * plane);
            }
        });
    }
    return result;
}

}  // namespace

void register_visibility(nb::module_& m) {
    nb::class_<HeldRelief>(m, "Relief", "Heights (rows, cols) prepared for rays; row 0 northernmost, NaN a void.")
        .def(
            "__init__",
            [](HeldRelief* self, Heights heights, double cell_m, double x0_m, double y0_m) {
                if (heights.shape(0) < 2 || heights.shape(1) < 2) {
                    throw nb::value_error("a relief needs at least 2 x 2 heights");
                }
                new (self) HeldRelief(std::move(heights), cell_m, x0_m, y0_m);
            },
            "heights_m"_a, "cell_m"_a, "x0_m"_a, "y0_m"_a)
        .def("line_of_sight", &line_of_sight, "a_m"_a, "b_m"_a, "curvature_per_m"_a, "threads"_a)
        .def("fresnel_ratio", &fresnel_ratio, "a_m"_a, "b_m"_a, "curvature_per_m"_a, "wavelength_m"_a)
        .def("ground_hits", &ground_hits, "origins_m"_a, "directions"_a, "max_range_m"_a, "curvature_per_m"_a)
        .def("viewshed", &viewshed, "x_m"_a, "y_m"_a, "alt_msl_m"_a, "target_height_m"_a, "max_range_m"_a,
             "curvature_per_m"_a, "threads"_a)
        .def("cell_rates", &cell_rates, "lattice"_a, "viewpoints_m"_a, "rate_hz"_a, "step_m"_a,
             "least_depression_rad"_a, "greatest_depression_rad"_a, "target_height_m"_a, "curvature_per_m"_a,
             "threads"_a);
}

}  // namespace kuntur
