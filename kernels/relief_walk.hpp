// How a line is followed through the blocks of a relief. Only for the sources of Relief.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "relief.hpp"

// A macro, because GCC drops a prefetch that it finds alone inside a function.
#if defined(__GNUC__)
#define KUNTUR_FETCH(address) __builtin_prefetch(address)
#else
#define KUNTUR_FETCH(address) static_cast<void>(address)
#endif

namespace kuntur {

constexpr int finest = 3;  // the smallest blocks have 2^finest cells a side: they fit the second cache for a whole tile

// A neighbour with less weight than this is not asked for its height: a void beside the line is not on the line.
constexpr double no_weight = 1e-9;

// std::ceil is a call on processors without SSE 4.1.
inline std::int64_t ceiling(double value) {
    const auto whole = static_cast<std::int64_t>(value);
    return whole + (static_cast<double>(whole) < value ? 1 : 0);
}

// Position along s: u0 + s du, v0 + s dv. Height over the curved datum: a straight line is a convex quadratic there
// (concave where refraction bends it more than the earth curves).
struct Relief::Line {
    double u0, v0, du, dv;
    double z0, z1, z2;  // height(s) = z0 + s (z1 + s z2)

    double u(double s) const { return u0 + s * du; }
    double v(double s) const { return v0 + s * dv; }
    double z(double s) const { return z0 + s * (z1 + s * z2); }
    // No higher than the line anywhere on [s0, s1]: the ends, less the most that the quadratic sags between them.
    double lowest(double s0, double s1) const {
        const double length = s1 - s0;
        return std::min(z(s0), z(s1)) - 0.25 * std::max(z2, 0.0) * length * length;
    }
};

// A place on a line, and the cell it is in or about to enter. The cell is kept in whole numbers and follows the edges
// crossed, so that no rounding of `s` can skip one.
struct Relief::Walk {
    double s;
    std::int64_t row, col;

    Walk(const Line& line, double start, std::int64_t rows, std::int64_t cols)
        : s(start),
          row(std::clamp<std::int64_t>(static_cast<std::int64_t>(line.v(start)), 0, rows - 2)),
          col(std::clamp<std::int64_t>(static_cast<std::int64_t>(line.u(start)), 0, cols - 2)),
          line_(&line),
          per_du_(1.0 / line.du),
          per_dv_(1.0 / line.dv),
          last_row_(rows - 2),
          last_col_(cols - 2),
          east_(line.du > 0.0 ? 1 : 0),
          south_(line.dv > 0.0 ? 1 : 0) {}

    std::size_t block(int shift, std::int64_t level_cols) const {
        return static_cast<std::size_t>((row >> (shift + finest)) * level_cols + (col >> (shift + finest)));
    }

    // Where the line leaves the block of 2^shift cells a side.
    double leaves(int shift) {
        edge_u_ = ((col >> shift) + east_) << shift;
        edge_v_ = ((row >> shift) + south_) << shift;
        constexpr double never = std::numeric_limits<double>::infinity();
        s_u_ = line_->du != 0.0 ? (static_cast<double>(edge_u_) - line_->u0) * per_du_ : never;
        s_v_ = line_->dv != 0.0 ? (static_cast<double>(edge_v_) - line_->v0) * per_dv_ : never;
        return std::min(s_u_, s_v_);
    }

    // Into the next block, after `leaves` of the same shift; false when the grid ends there.
    bool step(int shift) {
        const auto inside = [shift](double position, std::int64_t index, std::int64_t last) {
            const std::int64_t first = (index >> shift) << shift;
            const std::int64_t end = std::min(first + (std::int64_t{1} << shift) - 1, last);
            return std::clamp(static_cast<std::int64_t>(position), first, end);
        };
        if (s_u_ <= s_v_) {
            s = s_u_;
            row = inside(line_->v(s), row, last_row_);
            col = edge_u_ - 1 + east_;
            return col >= 0 && col <= last_col_;
        }
        s = s_v_;
        col = inside(line_->u(s), col, last_col_);
        row = edge_v_ - 1 + south_;
        return row >= 0 && row <= last_row_;
    }

private:
    const Line* line_;
    double per_du_, per_dv_, s_u_ = 0.0, s_v_ = 0.0;
    std::int64_t last_row_, last_col_, east_, south_, edge_u_ = 0, edge_v_ = 0;
};

// From `at` to `end`: blocks that `clears(top, s0, s1)` are skipped, those that do not are looked at by their quarters,
// and the smallest by `leaf(s0, s1)`; each block skipped lets the walk try one of the next size. True as soon as a leaf
// says so.
template <class Clears, class Leaf>
bool Relief::walk(Walk& at, double end, std::size_t level, Clears&& clears, Leaf&& leaf) const {
    while (true) {
        const Level& grid = levels_[level];
        const int shift = static_cast<int>(level) + finest;
        const double out = std::min(at.leaves(shift), end);
        if (clears(grid.top[at.block(static_cast<int>(level), grid.cols)], at.s, out)) {
            if (out >= end || !at.step(shift)) return false;
            if (level + 1 < levels_.size()) ++level;
        } else if (level > 0) {
            --level;
        } else {
            if (leaf(at.s, out)) return true;
            if (out >= end || !at.step(shift)) return false;
        }
    }
}

}  // namespace kuntur
