// Where a ray meets the ground.
#include <algorithm>
#include <cmath>
#include <limits>

#include "relief.hpp"
#include "relief_walk.hpp"

namespace kuntur {

// One cell of the grid (between four centres) on [s0, s1]: ground when the ray meets it there, lost over a void. Along
// a line a bilinear patch is a quadratic, and so is the ray over the curved datum: the first root is exact.
Hit Relief::patch(const Line& line, std::int64_t row, std::int64_t col, double s0, double s1, double& s_hit) const {
    const std::int64_t nw = row * cols_ + col;
    const double h00 = heights_[nw], h01 = heights_[nw + 1], h10 = heights_[nw + cols_], h11 = heights_[nw + cols_ + 1];
    const auto above = [&](double s) {
        const double g = line.u(s) - static_cast<double>(col), f = line.v(s) - static_cast<double>(row);
        const double north = h00 + g * (h01 - h00), south = h10 + g * (h11 - h10);
        return line.z(s) - (north + f * (south - north));
    };
    // above(s0 + t (s1 - s0)) = c + t (b + t a), t in [0, 1]
    const double c = above(s0), end = above(s1);
    if (std::isnan(c) || std::isnan(end)) return Hit::lost;
    s_hit = s0;
    if (c <= 0.0) return Hit::ground;
    const double a = 2.0 * (c + end - 2.0 * above(0.5 * (s0 + s1))), b = end - c - a;
    const double square = b * b - 4.0 * a * c;
    double t = end <= 0.0 ? 1.0 : std::numeric_limits<double>::infinity();
    if (square >= 0.0) {
        const double half = -0.5 * (b + std::copysign(std::sqrt(square), b));
        for (const double root : {c / half, half / a}) {
            if (root >= 0.0 && root < t) t = root;  // NaN and infinity, where a or half is 0, fail
        }
    }
    if (t > 1.0) return Hit::none;
    s_hit = s0 + t * (s1 - s0);
    return Hit::ground;
}

// Angle between the ray, which comes down on the ground, and the normal of the patch.
double Relief::incidence(const Line& line, std::int64_t row, std::int64_t col, double s) const {
    const std::int64_t nw = row * cols_ + col;
    const double h00 = heights_[nw], h01 = heights_[nw + 1], h10 = heights_[nw + cols_], h11 = heights_[nw + cols_ + 1];
    const double g = line.u(s) - static_cast<double>(col), f = line.v(s) - static_cast<double>(row);
    const double east = (h01 - h00 + f * (h11 - h10 - h01 + h00)) / cell_x_m_;  // slope, metres a metre
    const double south = (h10 - h00 + g * (h11 - h10 - h01 + h00)) / cell_y_m_;
    const double dx = line.du * cell_x_m_, dy = line.dv * cell_y_m_, dz = line.z1 + 2.0 * s * line.z2;
    const double into = dx * east + dy * south - dz;
    const double cosine = into / std::sqrt((east * east + south * south + 1.0) * (dx * dx + dy * dy + dz * dz));
    return std::acos(std::clamp(cosine, 0.0, 1.0));
}

Hit Relief::ground(const Point& origin, const Point& d, double max_range_m, double curvature, Point& hit,
                   double& slant_m, double& incidence_rad) const {
    constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
    hit = {nothing, nothing, nothing};
    slant_m = incidence_rad = nothing;
    const Spot from = spot(origin);
    if (!covers(from.u, from.v) || !std::isfinite(origin.z_m + d.x_m + d.y_m + d.z_m + curvature)) return Hit::left;
    if (std::isnan(height(from.u, from.v))) return Hit::lost;
    const Line line{from.u,     from.v, d.x_m / cell_x_m_, -d.y_m / cell_y_m_,
                    origin.z_m, d.z_m,  curvature * (d.x_m * d.x_m + d.y_m * d.y_m)};
    const auto leaves = [](double start, double step, double last) {
        if (step > 0.0) return (last - start) / step;
        return step < 0.0 ? -start / step : std::numeric_limits<double>::infinity();
    };
    const double edge = std::min(leaves(from.u, line.du, static_cast<double>(cols_ - 1)),
                                 leaves(from.v, line.dv, static_cast<double>(rows_ - 1)));
    const double end = std::min(max_range_m, edge);
    Hit found = Hit::none;
    double s_hit = end;
    Walk at(line, 0.0, rows_, cols_);
    std::int64_t row = at.row, col = at.col;
    const auto cells = [&](double s0, double s1) {
        Walk cell = at;  // of the smallest block, where `at` has entered it
        for (double s = s0;;) {
            const double out = std::min(cell.leaves(0), s1);
            found = patch(line, cell.row, cell.col, s, out, s_hit);
            if (found != Hit::none) {
                row = cell.row;
                col = cell.col;
                return true;
            }
            if (out >= s1 || !cell.step(0)) return false;
            s = out;
        }
    };
    const bool met = walk(
        at, end, 0, [&](float top, double s0, double s1) { return top < line.lowest(s0, s1); }, cells);
    if (!met) return edge < max_range_m ? Hit::left : Hit::none;
    if (found == Hit::ground) {
        slant_m = s_hit;
        hit = {origin.x_m + s_hit * d.x_m, origin.y_m + s_hit * d.y_m, line.z(s_hit)};
        if (s_hit > 0.0) incidence_rad = incidence(line, row, col, s_hit);
    }
    return found;
}

}  // namespace kuntur
