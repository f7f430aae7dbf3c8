// Detection rates of a searching camera: what a plan promises with.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "module.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kuntur {
namespace {

using Table = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// The search of one camera for one target, as the cell rates need it.
struct Search {
    const float* rate_hz;  // rate_hz[k] holds for slant ranges in [k, k + 1) * step_m
    std::int64_t steps;
    double step_m;
    double least_depression_rad, greatest_depression_rad;
    double target_height_m;
    const float* ground_m;  // what targets stand on: the relief less what covers the ground
    Doubt doubt;            // none where its error is 0
};

struct Cells {
    std::int64_t row0, col0, rows, cols, factor;
};

struct SubCell {
    std::int64_t row, col;  // within its lattice cell
};

// The terrain cells of one lattice cell, in an order that spreads over the cell: a hidden one is found early.
std::vector<SubCell> spread_order(std::int64_t factor) {
    std::vector<std::pair<double, std::int64_t>> keyed;
    for (std::int64_t k = 0; k < factor * factor; ++k) {
        // Golden-ratio sequence: neighbours in k are far apart in the key.
        const double key = static_cast<double>(k) * 0.6180339887498949;
        keyed.emplace_back(key - std::floor(key), k);
    }
    std::sort(keyed.begin(), keyed.end());
    std::vector<SubCell> order;
    for (const auto& [key, k] : keyed) order.push_back({k / factor, k % factor});
    return order;
}

// What one viewpoint sees of lattice cells.
class View {
public:
    View(const Relief& relief, const Search& search, const Point& eye, double curvature)
        : relief_(relief),
          search_(search),
          eye_(eye),
          curvature_(curvature),
          least_cos_(std::cos(search.least_depression_rad)),
          least_sin_(std::sin(search.least_depression_rad)),
          most_cos_(std::cos(search.greatest_depression_rad)),
          most_sin_(std::sin(search.greatest_depression_rad)) {}

    // Slant range to the farthest of `size` x `size` terrain cells; infinite when one of them cannot be in the picture.
    double farthest_m(std::int64_t row0, std::int64_t col0, std::int64_t size) const {
        double farthest2 = 0.0;
        for (std::int64_t row = row0; row < row0 + size; ++row) {
            const float* ground_m = search_.ground_m + row * relief_.cols();
            const double dy = relief_.y_m(row) - eye_.y_m;
            bool in_picture = true;
            for (std::int64_t col = col0; col < col0 + size; ++col) {
                const double dx = relief_.x_m(col) - eye_.x_m;
                const double across2 = dx * dx + dy * dy, across = std::sqrt(across2);
                const double to_feet = eye_.z_m - ground_m[col] + curvature_ * across2;
                const double to_top = to_feet - search_.target_height_m;
                // Written so that a void (NaN) fails.
                in_picture &= to_top * least_cos_ >= least_sin_ * across;
                in_picture &= to_feet * most_cos_ <= most_sin_ * across;
                const double dz = std::max(std::abs(to_feet), std::abs(to_top));
                farthest2 = std::max(farthest2, across2 + dz * dz);
            }
            if (!in_picture) return std::numeric_limits<double>::infinity();
        }
        return std::sqrt(farthest2);
    }

    bool clear(std::int64_t row, std::int64_t col) const {
        const double ground_m = search_.ground_m[row * relief_.cols() + col];
        const Point target{relief_.x_m(col), relief_.y_m(row), ground_m + search_.target_height_m};
        const Sight sight = search_.doubt.error_m > 0.0
                                ? relief_.certain_sight(target, eye_, curvature_, search_.doubt)
                                : relief_.sight(eye_, target, curvature_);
        return sight == Sight::clear;
    }

private:
    const Relief& relief_;
    const Search& search_;
    const Point eye_;
    const double curvature_, least_cos_, least_sin_, most_cos_, most_sin_;
};

// Rates of all lattice cells from one viewpoint. hidden[cell]: which in `order` hid it last time, tried first now.
void rates_from(const Relief& relief, const Cells& cells, const Point& eye, const Search& search, double curvature,
                const std::vector<SubCell>& order, std::vector<std::int32_t>& hidden, float* out) {
    const double max_range_m = static_cast<double>(search.steps) * search.step_m;
    const double eye_u = relief.to_u(eye.x_m), eye_v = relief.to_v(eye.y_m);
    if (!relief.covers(eye_u, eye_v)) return;
    const double reach_u = max_range_m / relief.cell_x_m(), reach_v = max_range_m / relief.cell_y_m();
    const double f = static_cast<double>(cells.factor);
    const auto index = [](double value, std::int64_t last) {
        return static_cast<std::int64_t>(std::clamp(value, 0.0, static_cast<double>(last)));
    };
    const std::int64_t i0 = index((eye_v - reach_v - static_cast<double>(cells.row0)) / f, cells.rows);
    const std::int64_t i1 = index((eye_v + reach_v - static_cast<double>(cells.row0)) / f + 1.0, cells.rows);
    const std::int64_t j0 = index((eye_u - reach_u - static_cast<double>(cells.col0)) / f, cells.cols);
    const std::int64_t j1 = index((eye_u + reach_u - static_cast<double>(cells.col0)) / f + 1.0, cells.cols);
    const View view(relief, search, eye, curvature);
    for (std::int64_t i = i0; i < i1; ++i) {
        for (std::int64_t j = j0; j < j1; ++j) {
            const std::int64_t row0 = cells.row0 + i * cells.factor, col0 = cells.col0 + j * cells.factor;
            const double range_m = view.farthest_m(row0, col0, cells.factor);
            if (!(range_m < max_range_m)) continue;
            const auto step = static_cast<std::int64_t>(range_m / search.step_m);
            const float rate_hz = step < search.steps ? search.rate_hz[step] : 0.0F;
            if (!(rate_hz > 0.0F)) continue;
            const auto clear = [&](std::int32_t k) {
                const SubCell& sub = order[static_cast<std::size_t>(k)];
                return view.clear(row0 + sub.row, col0 + sub.col);
            };
            std::int32_t& last = hidden[static_cast<std::size_t>(i * cells.cols + j)];
            if (last >= 0 && !clear(last)) continue;
            std::int32_t k = 0;
            const auto count = static_cast<std::int32_t>(order.size());
            while (k < count && (k == last || clear(k))) ++k;
            if (k < count) {
                last = k;
            } else {
                out[i * cells.cols + j] = rate_hz;
            }
        }
    }
}

using Lattice = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;  // as in Cells

Array<float> cell_rates(const HeldRelief& held, Heights ground_m, Lattice lattice, Vectors viewpoints, Table rate_hz,
                        double step_m, double least_depression_rad, double greatest_depression_rad,
                        double target_height_m, double curvature, double error_m, double correlation_m, int threads) {
    const auto [row0, col0, rows, cols, factor] = lattice;
    const Cells cells{row0, col0, rows, cols, factor};
    const Relief& relief = held.relief;
    if (row0 < 0 || col0 < 0 || factor < 1 || row0 + rows * factor > relief.rows() ||
        col0 + cols * factor > relief.cols()) {
        throw nb::value_error("the lattice does not lie on this terrain");
    }
    if (ground_m.shape(0) != held.heights.shape(0) || ground_m.shape(1) != held.heights.shape(1)) {
        throw nb::value_error("the ground has another shape than the relief");
    }
    const Search search{rate_hz.data(), static_cast<std::int64_t>(rate_hz.shape(0)), step_m, least_depression_rad,
                        greatest_depression_rad, target_height_m, ground_m.data(), Doubt{error_m, correlation_m}};
    const std::size_t plane = static_cast<std::size_t>(rows * cols);
    const std::int64_t count = static_cast<std::int64_t>(viewpoints.shape(0));
    auto result =
        make_array<float>({viewpoints.shape(0), static_cast<std::size_t>(rows), static_cast<std::size_t>(cols)});
    float* out = result.data();
    {
        nb::gil_scoped_release free_interpreter;
        const std::vector<SubCell> order = spread_order(factor);
        // Neighbouring viewpoints are hidden from by the same sub-cells.
        constexpr std::int64_t stretch = 16;
        share_stretches(count, stretch, threads, [&](std::int64_t first, std::int64_t end) {
            std::vector<std::int32_t> hidden(plane, -1);
            for (std::int64_t k = first; k < end; ++k) {
                rates_from(relief, cells, point(viewpoints, k), search, curvature, order, hidden,
                           out + static_cast<std::size_t>(k) * plane);
            }
        });
    }
    return result;
}

}  // namespace

void register_rates(nb::module_& m) {
    m.def("cell_rates", &cell_rates, "relief"_a, "ground_m"_a, "lattice"_a, "viewpoints_m"_a, "rate_hz"_a, "step_m"_a,
          "least_depression_rad"_a, "greatest_depression_rad"_a, "target_height_m"_a, "curvature_per_m"_a, "error_m"_a,
          "correlation_m"_a, "threads"_a);
}

}  // namespace kuntur
