#include "relief.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "relief_walk.hpp"

namespace kuntur {

Relief::Relief(const float* heights, std::int64_t rows, std::int64_t cols, double cell_x_m, double cell_y_m,
               double x0_m, double y0_m)
    : heights_(heights),
      rows_(rows),
      cols_(cols),
      cell_x_m_(cell_x_m),
      cell_y_m_(cell_y_m),
      x0_m_(x0_m),
      y0_m_(y0_m) {
    constexpr float void_top = std::numeric_limits<float>::infinity();
    constexpr std::int64_t size = std::int64_t{1} << finest;
    Level first{(rows - 2) / size + 1, (cols - 2) / size + 1, {}};
    first.top.resize(static_cast<std::size_t>(first.rows * first.cols));
    std::vector<float> highest(static_cast<std::size_t>(cols));  // of the block row's heights in each column
    for (std::int64_t i = 0; i < first.rows; ++i) {
        std::fill(highest.begin(), highest.end(), -void_top);
        for (std::int64_t row = i * size; row <= std::min((i + 1) * size, rows - 1); ++row) {
            const float* h = heights + row * cols;
            for (std::int64_t col = 0; col < cols; ++col) {
                float& high = highest[static_cast<std::size_t>(col)];
                const float z = h[col] == h[col] ? h[col] : void_top;
                high = z > high ? z : high;
            }
        }
        for (std::int64_t j = 0; j < first.cols; ++j) {
            const auto begin = highest.begin() + j * size;
            const auto end = highest.begin() + std::min((j + 1) * size, cols - 1) + 1;
            first.top[static_cast<std::size_t>(i * first.cols + j)] = *std::max_element(begin, end);
        }
    }
    levels_.push_back(std::move(first));
    while (levels_.back().rows * levels_.back().cols > 1) {
        const Level& below = levels_.back();
        Level next{(below.rows + 1) / 2, (below.cols + 1) / 2, {}};
        next.top.reserve(static_cast<std::size_t>(next.rows * next.cols));
        for (std::int64_t i = 0; i < next.rows; ++i) {
            const float* north = below.top.data() + 2 * i * below.cols;
            const float* south = 2 * i + 1 < below.rows ? north + below.cols : north;
            for (std::int64_t j = 0; j < next.cols; ++j) {
                const std::int64_t west = 2 * j, east = std::min(west + 1, below.cols - 1);
                next.top.push_back(std::max({north[west], north[east], south[west], south[east]}));
            }
        }
        levels_.push_back(std::move(next));
    }
}

bool Relief::covers(double u, double v) const {
    return u >= 0.0 && v >= 0.0 && u <= static_cast<double>(cols_ - 1) && v <= static_cast<double>(rows_ - 1);
}

double Relief::between(std::int64_t from, std::int64_t to, double f) const {
    if (f < no_weight) return heights_[from];
    if (f > 1.0 - no_weight) return heights_[to];
    const double a = heights_[from];
    return a + f * (heights_[to] - a);
}

double Relief::height(double u, double v) const {
    if (!covers(u, v)) return std::numeric_limits<double>::quiet_NaN();
    const std::int64_t col = std::min(static_cast<std::int64_t>(u), cols_ - 2);
    const std::int64_t row = std::min(static_cast<std::int64_t>(v), rows_ - 2);
    const double f = v - static_cast<double>(row);
    const std::int64_t nw = row * cols_ + col;
    const double g = u - static_cast<double>(col);
    if (f < no_weight) return between(nw, nw + 1, g);
    if (f > 1.0 - no_weight) return between(nw + cols_, nw + cols_ + 1, g);
    const double north = between(nw, nw + 1, g);
    return north + f * (between(nw + cols_, nw + cols_ + 1, g) - north);
}

// Every row line and column line crossed on [s0, s1], in no order: visit(s, height there); stop when a visit says true.
template <class Visit>
bool Relief::crossings(const Line& line, double s0, double s1, Visit&& visit) const {
    const auto lines = [&](double start, double step, double other, double other_step, std::int64_t last,
                           std::int64_t other_last, std::int64_t stride, std::int64_t other_stride) {
        if (step == 0.0) return false;
        const double a = start + s0 * step;
        const double b = start + s1 * step;
        const std::int64_t first_line = std::max<std::int64_t>(0, ceiling(std::min(a, b) - no_weight));
        const std::int64_t last_line = std::min(last, static_cast<std::int64_t>(std::max(a, b) + no_weight));
        for (std::int64_t k = first_line; k <= last_line; ++k) {
            const double s = std::clamp((static_cast<double>(k) - start) / step, 0.0, 1.0);
            const double position = other + s * other_step;
            const std::int64_t cell = std::clamp<std::int64_t>(static_cast<std::int64_t>(position), 0, other_last - 1);
            const std::int64_t index = k * stride + cell * other_stride;
            if (visit(s, between(index, index + other_stride, position - static_cast<double>(cell)))) return true;
        }
        return false;
    };
    return lines(line.u0, line.du, line.v0, line.dv, cols_ - 1, rows_ - 1, 1, cols_) ||
           lines(line.v0, line.dv, line.u0, line.du, rows_ - 1, cols_ - 1, cols_, 1);
}

struct Relief::Bare {
    static constexpr double at(double) { return 0.0; }
    static constexpr double most(double, double) { return 0.0; }
};

struct Relief::Raised {
    double error_m, correlation_m, distance_m;
    bool from_target;  // whether the line begins at the target

    double at(double s) const {
        const double share = from_target ? s : 1.0 - s;  // of the way from the target
        const double w = 1.0 - share;
        const double variance = 1.0 + w * w - 2.0 * w * std::exp(-share * distance_m / correlation_m);
        return variance > 0.0 ? error_m * std::sqrt(variance) : 0.0;
    }
    // No less than `at` anywhere on [s0, s1]: the variance is share^2 + 2 (1 - share) (1 - exp(-x)), and 1 - exp(-x) is
    // at most 2 x / (2 + x) (its Pade approximant, above it for every x > 0), which needs no exponential.
    double most(double s0, double s1) const {
        const double near = from_target ? s0 : 1.0 - s1, far = from_target ? s1 : 1.0 - s0;
        const double x = far * distance_m / correlation_m;
        const double lost = x < 2.0 ? 2.0 * x / (2.0 + x) : 1.0;
        return error_m * std::sqrt(far * far + 2.0 * (1.0 - near) * lost);
    }
};

// What blocks a view from the air lies near its lower end, where the line begins: the first cells are tested one by
// one, unless the line starts clear of their block.
template <class Margin>
bool Relief::blocked(const Line& line, const Margin& margin, bool& unknown) const {
    constexpr double near_cells = 8.0;
    const auto hides = [&](double s, double z) {
        if (std::isnan(z)) unknown = true;
        return z + margin.at(s) > line.z(s) + touch_m;
    };
    const double longest = std::max(std::abs(line.du), std::abs(line.dv));
    const double near = longest > near_cells ? near_cells / longest : 1.0;
    Walk at(line, 0.0, rows_, cols_);
    if (levels_[0].top[at.block(0, levels_[0].cols)] + margin.most(0.0, near) > line.lowest(0.0, 1.0)) {
        if (crossings(line, 0.0, near, hides)) return true;
        if (near == 1.0) return false;
        at = Walk(line, near, rows_, cols_);
    }
    return walk(
        at, 1.0, 0,
        [&](float top, double s0, double s1) { return top + margin.most(s0, s1) <= line.lowest(s0, s1); },
        [&](double s0, double s1) { return crossings(line, s0, s1, hides); });
}

template <class Margin>
Sight Relief::look(const Spot& p, const Spot& q, double sag_m, const Margin& margin) const {
    if (!covers(p.u, p.v) || !covers(q.u, q.v) || !std::isfinite(p.z_m + q.z_m + sag_m)) return Sight::unknown;
    const double ground_p = height(p.u, p.v), ground_q = height(q.u, q.v);
    if (ground_p + margin.at(0.0) > p.z_m + touch_m || ground_q + margin.at(1.0) > q.z_m + touch_m) {
        return Sight::blocked;
    }
    bool unknown = std::isnan(ground_p) || std::isnan(ground_q);
    const Line line{p.u, p.v, q.u - p.u, q.v - p.v, p.z_m, q.z_m - p.z_m - sag_m, sag_m};
    if (blocked(line, margin, unknown)) return Sight::blocked;
    return unknown ? Sight::unknown : Sight::clear;
}

namespace {

// Lines run from the lower end to the higher one, whichever was given first: the same bits both ways.
bool in_order(const Spot& p, const Spot& q) {
    return p.z_m != q.z_m ? p.z_m < q.z_m : p.u != q.u ? p.u < q.u : p.v >= q.v;
}

}  // namespace

Sight Relief::sight(const Spot& p, const Spot& q, double sag_m) const {
    return in_order(p, q) ? look(p, q, sag_m, Bare{}) : look(q, p, sag_m, Bare{});
}

Sight Relief::certain_sight(const Spot& target, const Spot& observer, double sag_m, double distance_m,
                            const Doubt& doubt) const {
    const bool from_target = in_order(target, observer);
    const Raised margin{doubt.error_m, doubt.correlation_m, distance_m, from_target};
    return from_target ? look(target, observer, sag_m, margin) : look(observer, target, sag_m, margin);
}

Sight Relief::sight(const Point& p, const Point& q, double curvature) const {
    const double dx = q.x_m - p.x_m, dy = q.y_m - p.y_m;
    return sight(spot(p), spot(q), curvature * (dx * dx + dy * dy));
}

Sight Relief::certain_sight(const Point& target, const Point& observer, double curvature, const Doubt& doubt) const {
    const double dx = observer.x_m - target.x_m, dy = observer.y_m - target.y_m;
    const double distance2 = dx * dx + dy * dy;
    return certain_sight(spot(target), spot(observer), curvature * distance2, std::sqrt(distance2), doubt);
}

// The corners around both ends, and the cells along the line near its lower end, where `blocked` begins.
void Relief::fetch(const Spot& p, const Spot& q) const {
    const Spot& a = p.z_m <= q.z_m ? p : q;
    const Spot& b = p.z_m <= q.z_m ? q : p;
    if (!covers(a.u, a.v) || !covers(b.u, b.v)) return;
    constexpr double stride_cells = 2.0;
    const double longest = std::max(std::max(std::abs(b.u - a.u), std::abs(b.v - a.v)), stride_cells);
    const double du = (b.u - a.u) * (stride_cells / longest), dv = (b.v - a.v) * (stride_cells / longest);
    const float* last = heights_ + (rows_ - 1) * cols_;
    const auto corner = [&](double u, double v) {
        return heights_ + static_cast<std::int64_t>(v) * cols_ + static_cast<std::int64_t>(u);
    };
    for (int k = 0; k < 5; ++k) {
        const double share = static_cast<double>(k);
        const double u = a.u + share * du, v = a.v + share * dv;
        if (!covers(u, v)) break;
        const float* north = corner(u, v);
        KUNTUR_FETCH(north);
        KUNTUR_FETCH(north < last ? north + cols_ : north);
    }
    const float* north = corner(b.u, b.v);
    KUNTUR_FETCH(north);
    KUNTUR_FETCH(north < last ? north + cols_ : north);
}

}  // namespace kuntur
