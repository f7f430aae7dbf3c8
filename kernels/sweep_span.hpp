// Which cells of a row an observer looks at: the same rule for every mode, exact at the rim of the disc and on the
// diagonals between the passes. Plain arithmetic only (see sweep_lanes.hpp).
#pragma once

#include "sweep.hpp"

namespace kuntur::sweep {
namespace {

inline std::int32_t down(double x) {  // floor of what lies within a grid
    const std::int32_t i = static_cast<std::int32_t>(x);
    return i - (static_cast<double>(i) > x ? 1 : 0);
}
inline std::int32_t up(double x) { return -down(-x); }

// Columns of one row that an observer looks at: [lo, hi], without [skip_lo, skip_hi] between the parts of its sector.
// A sector may pass between two columns (hi = lo - 1): nothing is looked at, but the rows behind lean on what is there.
struct Span {
    std::int32_t lo, hi, skip_lo, skip_hi;
    bool cut;  // by the sector: there are sight lines beside it that nobody follows
};

inline bool span(const Pass& p, const Eye& e, double i, Span& s) {
    if (e.parts[p.toward] == 0) return false;
    const double y_m = i * e.along_m, x_most = i * e.across_m, reach2 = e.reach_m * e.reach_m;
    const double rest = reach2 - y_m * y_m;
    if (!(rest >= 0.0)) return false;
    if (x_most * x_most < rest * (1.0 - 1e-12)) {  // the whole width of the wedge lies in the disc
        s.lo = up(e.u - i);
        s.hi = down(e.u + i);
    } else {
        const double half = __builtin_sqrt(rest) / e.across_m;
        const double side = half < i ? half : i;
        s.lo = up(e.u - side);
        s.hi = down(e.u + side);
        // The rim of the disc, exactly: a cell on it is inside.
        const auto in = [&](std::int32_t col) {
            const double x_m = (static_cast<double>(col) - e.u) * e.across_m;
            return x_m * x_m + y_m * y_m <= reach2;
        };
        constexpr double near = 1e-6;
        if (static_cast<double>(s.lo) - (e.u - side) < near && s.lo <= s.hi && !in(s.lo)) ++s.lo;
        if (static_cast<double>(s.lo) - (e.u - side) > 1.0 - near && in(s.lo - 1)) --s.lo;
        if (e.u + side - static_cast<double>(s.hi) < near && s.lo <= s.hi && !in(s.hi)) --s.hi;
        if (e.u + side - static_cast<double>(s.hi) > 1.0 - near && in(s.hi + 1)) ++s.hi;
    }
    const double wedge = i;
    if (e.u - static_cast<double>(s.lo) > wedge) ++s.lo;
    if (static_cast<double>(s.hi) - e.u > wedge) --s.hi;
    if (p.strict) {
        if (e.u - static_cast<double>(s.lo) == wedge) ++s.lo;
        if (s.lo <= s.hi && static_cast<double>(s.hi) - e.u == wedge) --s.hi;
    }
    const int parts = e.parts[p.toward];
    const double first = e.from[p.toward][0], last = e.to[p.toward][parts - 1];
    s.cut = first > -1.0 || last < 1.0;
    if (s.cut) {
        const std::int32_t from = up(e.u + first * i), to = down(e.u + last * i);
        if (from > s.lo) s.lo = from;
        if (to < s.hi) s.hi = to;
    }
    s.skip_lo = 1;
    s.skip_hi = 0;
    if (parts == 2) {
        s.skip_lo = down(e.u + e.to[p.toward][0] * i) + 1;
        s.skip_hi = up(e.u + e.from[p.toward][1] * i) - 1;
    }
    if (s.lo < 0) s.lo = 0;
    if (s.hi > p.box.cols - 1) s.hi = p.box.cols - 1;
    return s.lo <= s.hi || (s.cut && s.lo == s.hi + 1);
}

}  // namespace
}  // namespace kuntur::sweep
