#include "relief.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kuntur {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
// A neighbour with less weight than this is not asked for its height: a void beside the line is not on the line.
constexpr double no_weight = 1e-9;

}  // namespace

// Position along s: u0 + s du, v0 + s dv. Height over the curved datum: a straight line is a convex quadratic there.
struct Relief::Line {
    double u0, v0, du, dv;
    double z0, z1, z2;  // height(s) = z0 + s (z1 + s z2), z2 >= 0

    double u(double s) const { return u0 + s * du; }
    double v(double s) const { return v0 + s * dv; }
    double z(double s) const { return z0 + s * (z1 + s * z2); }
    // No lower than the line anywhere on [s0, s1]: the ends, less the most that the quadratic sags between them.
    double lowest(double s0, double s1) const {
        const double length = s1 - s0;
        return std::min(z(s0), z(s1)) - 0.25 * z2 * length * length;
    }
};

Relief::Relief(const float* heights, std::int64_t rows, std::int64_t cols, double cell_m, double x0_m, double y0_m)
    : heights_(heights), rows_(rows), cols_(cols), cell_m_(cell_m), x0_m_(x0_m), y0_m_(y0_m) {
    for (const std::int64_t size : {8, 64}) {
        Level level{size, (rows - 2) / size + 1, (cols - 2) / size + 1, {}};
        level.top.assign(static_cast<std::size_t>(level.rows * level.cols), -std::numeric_limits<float>::infinity());
        for (std::int64_t i = 0; i < level.rows; ++i) {
            const std::int64_t last_row = std::min((i + 1) * size, rows - 1);
            float* top = level.top.data() + i * level.cols;
            for (std::int64_t row = i * size; row <= last_row; ++row) {
                for (std::int64_t j = 0; j < level.cols; ++j) {
                    const std::int64_t last_col = std::min((j + 1) * size, cols - 1);
                    for (std::int64_t col = j * size; col <= last_col; ++col) {
                        const float z = at(row, col);
                        top[j] = std::isnan(z) ? std::numeric_limits<float>::infinity() : std::max(top[j], z);
                    }
                }
            }
        }
        levels_.push_back(std::move(level));
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
    if (!covers(u, v)) return nan_value;
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

// Visit the blocks of a level that [s0, s1] passes, in order; stop and return true as soon as a visit does.
template <class Visit>
bool Relief::blocks(const Line& line, const Level& level, double s0, double s1, Visit&& visit) const {
    const double size = static_cast<double>(level.size);
    std::int64_t j = std::clamp<std::int64_t>(static_cast<std::int64_t>(line.u(s0) / size), 0, level.cols - 1);
    std::int64_t i = std::clamp<std::int64_t>(static_cast<std::int64_t>(line.v(s0) / size), 0, level.rows - 1);
    const auto edge = [size](std::int64_t index, double start, double step) {
        if (step > 0.0) return (static_cast<double>(index + 1) * size - start) / step;
        if (step < 0.0) return (static_cast<double>(index) * size - start) / step;
        return infinity;
    };
    double s = s0;
    double next_u = edge(j, line.u0, line.du);
    double next_v = edge(i, line.v0, line.dv);
    while (true) {
        const double end = std::min(std::min(next_u, next_v), s1);
        if (end > s || s0 == s1) {
            if (visit(i, j, s, end)) return true;
            s = end;
        }
        if (end >= s1) return false;
        if (next_u <= next_v) {
            j += line.du > 0.0 ? 1 : -1;
            if (j < 0 || j >= level.cols) return false;
            next_u = edge(j, line.u0, line.du);
        } else {
            i += line.dv > 0.0 ? 1 : -1;
            if (i < 0 || i >= level.rows) return false;
            next_v = edge(i, line.v0, line.dv);
        }
    }
}

// Every row line and column line crossed on [s0, s1], in no order: visit(s, height there); stop when a visit says true.
template <class Visit>
bool Relief::crossings(const Line& line, double s0, double s1, Visit&& visit) const {
    const auto lines = [&](double start, double step, double other, double other_step, std::int64_t last,
                           std::int64_t other_last, std::int64_t stride, std::int64_t other_stride) {
        if (step == 0.0) return false;
        const double a = start + s0 * step;
        const double b = start + s1 * step;
        const std::int64_t first_line =
            std::max<std::int64_t>(0, static_cast<std::int64_t>(std::ceil(std::min(a, b) - no_weight)));
        const std::int64_t last_line =
            std::min(last, static_cast<std::int64_t>(std::floor(std::max(a, b) + no_weight)));
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

bool Relief::walk_sight(const Line& line, int level, double s0, double s1, bool& unknown) const {
    if (level < 0) {
        return crossings(line, s0, s1, [&](double s, double z) {
            if (std::isnan(z)) unknown = true;
            return z > line.z(s) + touch_m;
        });
    }
    const Level& grid = levels_[static_cast<std::size_t>(level)];
    return blocks(line, grid, s0, s1, [&](std::int64_t i, std::int64_t j, double a, double b) {
        const double top = grid.top[static_cast<std::size_t>(i * grid.cols + j)];
        return top > line.lowest(a, b) && walk_sight(line, level - 1, a, b, unknown);
    });
}

// From the lower end to the higher one, whichever was given first: the same bits both ways, and what blocks a view from
// the air lies near its lower end.
Relief::Line Relief::chord(const Point& p, const Point& q, double curvature) const {
    const bool keep = p.z_m != q.z_m ? p.z_m < q.z_m : p.x_m != q.x_m ? p.x_m < q.x_m : p.y_m <= q.y_m;
    const Point& a = keep ? p : q;
    const Point& b = keep ? q : p;
    const double u = to_u(a.x_m), v = to_v(a.y_m);
    const double dx = b.x_m - a.x_m, dy = b.y_m - a.y_m;
    const double drop = curvature * (dx * dx + dy * dy);  // the chord lies drop * s (1 - s) nearer to the ground
    return {u, v, to_u(b.x_m) - u, to_v(b.y_m) - v, a.z_m, b.z_m - a.z_m - drop, drop};
}

Sight Relief::sight(const Point& p, const Point& q, double curvature) const {
    const double up = to_u(p.x_m), vp = to_v(p.y_m), uq = to_u(q.x_m), vq = to_v(q.y_m);
    if (!covers(up, vp) || !covers(uq, vq)) return Sight::unknown;
    const double ground_p = height(up, vp), ground_q = height(uq, vq);
    if (ground_p > p.z_m + touch_m || ground_q > q.z_m + touch_m) return Sight::blocked;
    bool unknown = std::isnan(ground_p) || std::isnan(ground_q);
    const Line line = chord(p, q, curvature);
    if (walk_sight(line, static_cast<int>(levels_.size()) - 1, 0.0, 1.0, unknown)) return Sight::blocked;
    return unknown ? Sight::unknown : Sight::clear;
}

double Relief::fresnel_ratio(const Point& p, const Point& q, double curvature, double wavelength_m) const {
    const double up = to_u(p.x_m), vp = to_v(p.y_m), uq = to_u(q.x_m), vq = to_v(q.y_m);
    if (!covers(up, vp) || !covers(uq, vq)) return nan_value;
    const Line line = chord(p, q, curvature);
    const double dx = q.x_m - p.x_m, dy = q.y_m - p.y_m;
    const double distance = std::hypot(dx, dy);
    double least = infinity;
    bool unknown = std::isnan(height(up, vp)) || std::isnan(height(uq, vq));
    crossings(line, 0.0, 1.0, [&](double s, double z) {
        if (std::isnan(z)) unknown = true;
        const double radius = std::sqrt(wavelength_m * distance * s * (1.0 - s));
        if (radius > 0.0) least = std::min(least, (line.z(s) - z) / radius);
        return false;
    });
    return unknown ? nan_value : least;
}

// One cell of the grid (between four centres) on [s0, s1]: true when the ray ends here, in the ground or over a void.
bool Relief::patch(const Line& line, std::int64_t row, std::int64_t col, double s0, double s1, Hit& found,
                   double& s_hit) const {
    const std::int64_t nw = row * cols_ + col;
    const double h00 = heights_[nw], h01 = heights_[nw + 1], h10 = heights_[nw + cols_], h11 = heights_[nw + cols_ + 1];
    const auto above = [&](double s) {
        const double g = line.u(s) - static_cast<double>(col), f = line.v(s) - static_cast<double>(row);
        const double north = h00 + g * (h01 - h00), south = h10 + g * (h11 - h10);
        return line.z(s) - (north + f * (south - north));
    };
    double low = s0, high = s1;
    const double end = above(high);
    if (std::isnan(end)) {
        found = Hit::left;
        s_hit = s0;
        return true;
    }
    if (above(low) <= 0.0) {
        high = low;
    } else if (end > 0.0) {
        return false;
    }
    for (int k = 0; k < 60 && high - low > 1e-6; ++k) {
        const double middle = 0.5 * (low + high);
        (above(middle) > 0.0 ? low : high) = middle;
    }
    found = Hit::ground;
    s_hit = 0.5 * (low + high);
    return true;
}

bool Relief::walk_ground(const Line& line, int level, double s0, double s1, Hit& found, double& s_hit) const {
    if (level < 0) {
        const Level cells{1, rows_ - 1, cols_ - 1, {}};
        return blocks(line, cells, s0, s1, [&](std::int64_t i, std::int64_t j, double a, double b) {
            return patch(line, i, j, a, b, found, s_hit);
        });
    }
    const Level& grid = levels_[static_cast<std::size_t>(level)];
    return blocks(line, grid, s0, s1, [&](std::int64_t i, std::int64_t j, double a, double b) {
        const double top = grid.top[static_cast<std::size_t>(i * grid.cols + j)];
        return top >= line.lowest(a, b) && walk_ground(line, level - 1, a, b, found, s_hit);
    });
}

Hit Relief::ground(const Point& origin, const Point& d, double max_range_m, double curvature, Point& hit,
                   double& slant_m) const {
    hit = {nan_value, nan_value, nan_value};
    slant_m = nan_value;
    const double u0 = to_u(origin.x_m), v0 = to_v(origin.y_m);
    if (!covers(u0, v0)) return Hit::left;
    const Line line{u0, v0, d.x_m / cell_m_, -d.y_m / cell_m_, origin.z_m, d.z_m,
                    curvature * (d.x_m * d.x_m + d.y_m * d.y_m)};
    const auto leaves = [](double start, double step, double last) {
        if (step > 0.0) return (last - start) / step;
        return step < 0.0 ? -start / step : infinity;
    };
    const double edge = std::min(leaves(u0, line.du, static_cast<double>(cols_ - 1)),
                                 leaves(v0, line.dv, static_cast<double>(rows_ - 1)));
    const double end = std::min(max_range_m, edge);
    Hit found = edge < max_range_m ? Hit::left : Hit::none;
    double s_hit = end;
    walk_ground(line, static_cast<int>(levels_.size()) - 1, 0.0, end, found, s_hit);
    if (found == Hit::ground) {
        slant_m = s_hit;
        hit = {origin.x_m + s_hit * d.x_m, origin.y_m + s_hit * d.y_m, line.z(s_hit)};
    }
    return found;
}

}  // namespace kuntur
