// The rows of a pass, compiled once per instruction level (see sweep.hpp for the idea and sweep_lanes.hpp for the rules).
#pragma once

#include "sweep.hpp"
#include "sweep_lanes.hpp"
#include "sweep_span.hpp"

namespace kuntur::sweep {
namespace {

constexpr float far_below = -1e12F;  // a slope below every terrain: nothing has been met yet

enum Kind { bare, with_best, all_sums };

// What one observer needs along one row.
struct Row {
    const float* heights;
    const float* targets;
    std::uint16_t* count;
    std::uint16_t* unknown;
    float* best;
    float* least;
    float* exposure;
    Floats rows_away, inverse;  // i and 1 / i
    Floats fall;                // eye's altitude + drop of the earth straight ahead
    Floats drop;                // of the earth for one column aside: times j^2
    Floats y2, across2;         // (i along)^2, across^2
    Floats rise, slope;         // target height, and over i
    std::int32_t u_whole;
    Floats u_part;
};

inline Row row_of(const Pass& p, const Eye& e, std::int32_t row, double i) {
    Row r;
    const std::int64_t at = row * p.box.stride;
    r.heights = p.box.heights + at;
    r.targets = p.box.targets == nullptr ? nullptr : p.box.targets + at;
    r.count = p.sums.count + at;
    r.unknown = p.sums.unknown == nullptr ? nullptr : p.sums.unknown + at;
    r.best = p.sums.best == nullptr ? nullptr : p.sums.best + at;
    r.least = p.sums.least == nullptr ? nullptr : p.sums.least + at;
    r.exposure = p.sums.exposure == nullptr ? nullptr : p.sums.exposure + at;
    const double y_m = i * e.along_m;
    const float inverse = static_cast<float>(1.0 / i);
    r.rows_away = spread(static_cast<float>(i));
    r.inverse = spread(inverse);
    r.fall = spread(static_cast<float>(static_cast<double>(e.alt_m) + p.curvature_per_m * y_m * y_m));
    r.drop = spread(static_cast<float>(p.curvature_per_m * e.across_m * e.across_m));
    r.y2 = spread(static_cast<float>(y_m * y_m));
    r.across2 = spread(static_cast<float>(e.across_m * e.across_m));
    r.rise = spread(p.target_height_m);
    r.slope = spread(p.target_height_m * inverse);
    r.u_whole = down(e.u);
    r.u_part = spread(static_cast<float>(e.u - static_cast<double>(r.u_whole)));
    return r;
}

// Heights of `width` cells from column c on, relative to the eye and to the curved earth, and their slopes.
struct Cells {
    Floats j, j2, rise, slope;
};
inline Cells cells_at(const Row& r, std::int32_t c) {
    Cells x;
    x.j = count_up(static_cast<float>(c - r.u_whole)) - r.u_part;
    x.j2 = x.j * x.j;
    x.rise = (load(r.heights + c) - r.fall) - x.j2 * r.drop;
    x.slope = x.rise * r.inverse;
    return x;
}

// Compare cells with the horizon before them and add to the sums. in: lanes that are looked at; dark: lanes whose sight
// line has met a void.
template <Kind kind>
inline void judge(const Pass& p, const Eye& e, const Row& r, std::int32_t c, const Cells& x, Floats horizon, Mask in,
                  Mask dark) {
    if constexpr (kind != all_sums) {
        const Mask seen = both(in, at_least(x.slope + r.slope, horizon));
        count_one(r.count + c, seen);
        if constexpr (kind == with_best) {
            const Floats rise = x.rise + r.rise;
            const Floats slant2 = rise * rise + (x.j2 * r.across2 + r.y2);
            keep_smaller(r.best + c, slant2, seen);
        }
    } else {
        Floats rise = x.rise + r.rise;
        Mask seen = at_least(x.slope + r.slope, horizon);
        if (r.targets != nullptr) {
            const Floats target = load(r.targets + c);
            rise = (target - r.fall) - x.j2 * r.drop;
            seen = both(at_least(rise * r.inverse, horizon), at_least(target, load(r.heights + c)));
        }
        const Floats across2 = x.j2 * r.across2 + r.y2;
        if (p.depressions) {
            const Floats across = root(across2), below = -rise;
            in = both(in, at_least(below * spread(e.least_cos), across * spread(e.least_sin)));
            in = both(in, at_least(across * spread(e.most_sin), below * spread(e.most_cos)));
        }
        seen = both(in, seen);
        if (p.box.void_start != nullptr) {
            const Mask hole = both(in, is_nan(x.rise + rise));
            if (r.unknown != nullptr) count_one(r.unknown + c, either(hole, both(seen, dark)));
            seen = but_not(seen, dark);
            dark = either(hole, dark);
        }
        count_one(r.count + c, seen);
        const Floats slant2 = rise * rise + across2;
        if (r.best != nullptr) keep_smaller(r.best + c, slant2, seen);
        if (r.least != nullptr) {
            Floats need = larger((horizon - x.slope) * r.rows_away, spread(0.0F));
            if (r.targets != nullptr) need = need + (load(r.heights + c) - (load(r.targets + c) - r.rise));
            if (p.box.void_start != nullptr) need = choose(dark, spread(not_known), need);
            keep_smaller(r.least + c, need, in);
        }
        if (r.exposure != nullptr && any(seen)) {
            const Floats step = whole(root(slant2) * spread(p.steps_per_m));
            const Mask worth = both(seen, at_least(spread(static_cast<float>(p.steps - 1)), step));
            const Floats rate = gather(p.table, step, worth);
            store(r.exposure + c, load(r.exposure + c) + rate * spread(e.weight));
        }
    }
}

inline Mask looked_at(const Span& s, std::int32_t c) {
    const auto within = [c](std::int32_t lo, std::int32_t hi) {
        const std::int32_t from = lo - c < 0 ? 0 : lo - c, to = hi + 1 - c > width ? width : hi + 1 - c;
        return lanes(from, to);
    };
    Mask in = within(s.lo, s.hi);
    if (s.skip_lo <= s.skip_hi) in = but_not(in, within(s.skip_lo, s.skip_hi));
    return in;
}

inline std::int32_t block_of(std::int32_t col) { return (col + 4 * guard) / width * width - 4 * guard; }

// Sight lines that a void has stopped: 1 at those (of ray_count rows) and 0 at the others.
struct Dark {
    float* line;
    std::int32_t half;  // lines in half the quarter
    bool any;
};

inline Mask behind_void(const Dark& d, Floats place) {
    const Floats at = whole(place), part = place - at;
    Floats one, two;
    gather_pair(d.line, at, one, two);
    return is_some(one * (spread(1.0F) - part) + two * part);
}

inline Floats place_on(Floats j, float lines_per_column, std::int32_t half) {
    return j * spread(lines_per_column) + spread(static_cast<float>(half));
}

// ---------------------------------------------------------------------------------------------------------------- fast
// XDraw (Wang, Robinson & White 2000, as GDAL's "edge" mode has it): the horizon at a cell is the horizon of the row
// before, between the two cells there that its sight line passes.

template <Kind kind, int side>
inline Floats fast_block(const Pass& p, const Eye& e, const Row& r, const float* horizon, std::int32_t c, Mask in,
                         const Dark& dark, float lines_per_column) {
    const Cells x = cells_at(r, c);
    const Floats own = load(horizon + c);
    Floats inner, share;
    if constexpr (side < 0) {
        inner = load(horizon + c + 1);
        share = (-x.j) * r.inverse;
    } else if constexpr (side > 0) {
        inner = load(horizon + c - 1);
        share = x.j * r.inverse;
    } else {
        inner = choose(at_least(x.j, spread(0.0F)), load(horizon + c - 1), load(horizon + c + 1));
        share = magnitude(x.j) * r.inverse;
    }
    share = smaller(share, spread(1.0F));
    const Floats before = own * (spread(1.0F) - share) + inner * share;
    Mask stopped = lanes(0, 0);
    if constexpr (kind == all_sums) {
        if (dark.any) stopped = behind_void(dark, place_on(x.j, lines_per_column, dark.half));
    }
    judge<kind>(p, e, r, c, x, before, in, stopped);
    return larger(x.slope, before);
}

// Voids of a row darken every sight line that they have a share in.
inline void darken(const Pass& p, const Eye& e, std::int32_t row, double i, const Span& s, Dark& dark) {
    const double per_column = static_cast<double>(dark.half) / i;
    for (std::int32_t k = p.box.void_start[row]; k < p.box.void_start[row + 1]; ++k) {
        const std::int32_t col = p.box.void_col[k];
        if (col < s.lo - 2 || col > s.hi + 2) continue;
        const double middle = (static_cast<double>(col) - e.u) * per_column + static_cast<double>(dark.half);
        std::int32_t from = down(middle - per_column) + 1, to = up(middle + per_column) - 1;
        if (from < 0) from = 0;
        if (to > 2 * dark.half + 1) to = 2 * dark.half + 1;
        for (std::int32_t m = from; m <= to; ++m) dark.line[m] = 1.0F;
        dark.any = dark.any || from <= to;
    }
}

template <Kind kind>
inline void fast_row(const Pass& p, const Eye& e, std::int32_t row, double i, float* horizon, Dark& dark) {
    Span s;
    if (!span(p, e, i, s)) return;
    const Row r = row_of(p, e, row, i);
    const float lines_per_column = static_cast<float>(static_cast<double>(dark.half) / i);
    // One cell beyond the span on either side: the next row leans on it. Beside a sector three.
    const std::int32_t beside = s.cut ? 3 : 1;
    const std::int32_t lo = s.lo - beside, hi = s.hi + beside;
    const std::int32_t first = block_of(lo), last = block_of(hi);
    const std::int32_t middle = block_of(r.u_whole);
    const auto edge = [&](std::int32_t c, Floats value) {
        if (c < lo || c + width - 1 > hi) {
            const std::int32_t from = lo - c < 0 ? 0 : lo - c, to = hi + 1 - c > width ? width : hi + 1 - c;
            store(horizon + c, value, lanes(from, to));
        } else {
            store(horizon + c, value);
        }
    };
    Floats at_middle{};
    const bool through_middle = first <= middle && middle <= last;
    if (through_middle) {
        at_middle = fast_block<kind, 0>(p, e, r, horizon, middle, looked_at(s, middle), dark, lines_per_column);
    }
    const std::int32_t left_end = last < middle ? last + width : middle;
    for (std::int32_t c = first; c < left_end; c += width) {
        edge(c, fast_block<kind, -1>(p, e, r, horizon, c, looked_at(s, c), dark, lines_per_column));
    }
    const std::int32_t right_end = first > middle ? first : middle + width;
    for (std::int32_t c = last; c >= right_end; c -= width) {
        edge(c, fast_block<kind, 1>(p, e, r, horizon, c, looked_at(s, c), dark, lines_per_column));
    }
    if (through_middle) edge(middle, at_middle);
    if (s.cut) {  // nobody follows the lines beside the sector: take the horizon as level there
        for (int k = 1; k <= 16; ++k) {
            horizon[lo - k] = horizon[lo];
            horizon[hi + k] = horizon[hi];
        }
    }
    if constexpr (kind == all_sums) {
        if (p.box.void_start != nullptr) darken(p, e, row, i, s, dark);
    }
}

template <Kind kind>
void fast_pass(const Pass& p) {
    for (std::int64_t k = 0; k < p.eye_count * p.scratch_per_eye; ++k) p.scratch[k] = far_below;
    Dark dark[most_eyes];
    const std::int64_t line_offset = p.eye_cols + 2 * guard;
    for (int k = 0; k < p.eye_count; ++k) {
        const Eye& e = p.eyes[k];
        dark[k] = {p.scratch + k * p.scratch_per_eye + line_offset, e.lines, false};
        if (kind == all_sums && p.box.void_start != nullptr) {
            for (std::int32_t m = 0; m < 2 * dark[k].half + 2; ++m) dark[k].line[m] = 0.0F;
        }
    }
    const std::int32_t step = p.toward == 0 ? -1 : 1;
    const std::int32_t begin = p.toward == 0 ? p.last_row : p.first_row, end = p.toward == 0 ? p.first_row : p.last_row;
    for (std::int32_t row = begin; row * step <= end * step; row += step) {
        for (int k = 0; k < p.eye_count; ++k) {
            const Eye& e = p.eyes[k];
            const double i = (static_cast<double>(row) - e.v) * step;
            if (i > 0.0) fast_row<kind>(p, e, row, i, p.scratch + k * p.scratch_per_eye + guard - e.first_col, dark[k]);
        }
    }
}

inline Kind kind_of(const Pass& p) {
    const bool plain = p.sums.least == nullptr && p.sums.exposure == nullptr && p.box.targets == nullptr &&
                       p.box.void_start == nullptr && !p.depressions;
    return !plain ? all_sums : p.sums.best != nullptr ? with_best : bare;
}

inline void fast(const Pass& p) {
    const Kind kind = kind_of(p);
    if (kind == bare) return fast_pass<bare>(p);
    if (kind == with_best) return fast_pass<with_best>(p);
    fast_pass<all_sums>(p);
}

// ------------------------------------------------------------------------------------------------------------ accurate
// R2 (Franklin & Ray 1994) with sight lines that never mix: each keeps its own horizon, its heights taken between the two
// cells it passes in every row. A cell is compared with the horizon between its two neighbouring lines, and with the last
// rows before it along its own line.

struct Lines {
    float* horizon;
    float* slopes[near_rows + 1];  // of the cells of the last rows; [row % 3]
    std::int32_t half;
};

template <Kind kind>
inline void raise_lines(const Pass& p, const Eye& e, std::int32_t row, double i, const Lines& lines_of, Dark& dark) {
    const double half = static_cast<double>(lines_of.half), y_m = i * e.along_m;
    const double rest = e.reach_m * e.reach_m - y_m * y_m;
    if (!(rest >= 0.0)) return;
    double side = __builtin_sqrt(rest) / (e.across_m * i);
    if (side > 1.0) side = 1.0;
    double from_u = -side, to_u = side;
    const int parts = e.parts[p.toward];
    if (e.from[p.toward][0] > from_u) from_u = e.from[p.toward][0];
    if (e.to[p.toward][parts - 1] < to_u) to_u = e.to[p.toward][parts - 1];
    const double west = -(e.u + 1.0) / i, east = (static_cast<double>(p.box.cols) - e.u) / i;
    if (west > from_u) from_u = west;
    if (east < to_u) to_u = east;
    std::int32_t first = down((from_u + 1.0) * half) - 1, last = up((to_u + 1.0) * half) + 1;
    if (first < 0) first = 0;
    if (last > 2 * lines_of.half + 1) last = 2 * lines_of.half + 1;
    const Row r = row_of(p, e, row, i);
    const Floats columns = spread(static_cast<float>(i / half));
    for (std::int32_t m = first / width * width; m <= last; m += width) {
        const Floats j = count_up(static_cast<float>(m - lines_of.half)) * columns;
        const Floats place = j + r.u_part, at = whole(place), part = place - at;
        const std::int32_t base = static_cast<std::int32_t>(first_of(at));
        Floats one, two;
        near_pair(r.heights + r.u_whole + base, at - spread(static_cast<float>(base)), one, two);
        Floats height = one + (two - one) * part;
        if constexpr (kind == all_sums) {
            if (p.box.void_start != nullptr) {
                height = choose(is_some(part), height, one);
                const Mask hole = is_nan(height);
                if (any(hole)) {
                    store(dark.line + m, choose(hole, spread(1.0F), load(dark.line + m)));
                    dark.any = true;
                }
            }
        }
        const Floats slope = ((height - r.fall) - j * j * r.drop) * r.inverse;
        store(lines_of.horizon + m, larger(slope, load(lines_of.horizon + m)));
    }
}

// Slope of row i - 1 (back = 1) or i - 2 on the sight lines of the cells at c; share: |j| / i.
template <int side, int back>
inline Floats slope_before(const float* slopes, std::int32_t c, const Cells& x, Floats share) {
    Floats own = load(slopes + c), inner, inmost;
    const Mask right = at_least(x.j, spread(0.0F));
    if constexpr (side < 0) inner = load(slopes + c + 1);
    if constexpr (side > 0) inner = load(slopes + c - 1);
    if constexpr (side == 0) inner = choose(right, load(slopes + c - 1), load(slopes + c + 1));
    if constexpr (back == 2) {
        if constexpr (side < 0) inmost = load(slopes + c + 2);
        if constexpr (side > 0) inmost = load(slopes + c - 2);
        if constexpr (side == 0) inmost = choose(right, load(slopes + c - 2), load(slopes + c + 2));
        share = share + share;
        const Mask beyond = at_least(share, spread(1.0F));
        share = choose(beyond, share - spread(1.0F), share);
        own = choose(beyond, inner, own);
        inner = choose(beyond, inmost, inner);
    }
    return choose(is_some(share), own + (inner - own) * share, own);
}

template <Kind kind, int side>
inline void accurate_block(const Pass& p, const Eye& e, const Row& r, std::int32_t row, double i, const Lines& lines_of,
                           const Dark& dark, float lines_per_column, std::int32_t c, const Span& s) {
    const Cells x = cells_at(r, c);
    store(lines_of.slopes[row % 3] + c, x.slope);
    const Floats place = place_on(x.j, lines_per_column, lines_of.half);
    const Floats at = smaller(larger(whole(place), spread(0.0F)), spread(static_cast<float>(2 * lines_of.half)));
    const Floats part = place - at;
    Floats one, two;
    gather_pair(lines_of.horizon, at, one, two);
    Floats before = one + (two - one) * part;
    Mask stopped = lanes(0, 0);
    if constexpr (kind == all_sums) {
        if (dark.any) {
            gather_pair(dark.line, at, one, two);
            stopped = is_some(one * (spread(1.0F) - part) + two * part);
        }
    }
    const Floats share = magnitude(x.j) * r.inverse;
    if (i > 1.0) {
        const Floats slope = slope_before<side, 1>(lines_of.slopes[(row + (p.toward == 0 ? 1 : 2)) % 3], c, x, share);
        if constexpr (kind == all_sums) stopped = either(stopped, is_nan(slope));
        before = larger(slope, before);
    }
    if (i > 2.0) {
        const Floats slope = slope_before<side, 2>(lines_of.slopes[(row + (p.toward == 0 ? 2 : 1)) % 3], c, x, share);
        if constexpr (kind == all_sums) stopped = either(stopped, is_nan(slope));
        before = larger(slope, before);
    }
    judge<kind>(p, e, r, c, x, before, looked_at(s, c), stopped);
}

template <Kind kind>
inline void accurate_row(const Pass& p, const Eye& e, std::int32_t row, double i, const Lines& lines_of, Dark& dark) {
    Span s;
    const std::int32_t step = p.toward == 0 ? -1 : 1;
    if (!span(p, e, i, s)) return;
    if (i > near_rows + 1) {
        raise_lines<kind>(p, e, row - step * (near_rows + 1), i - (near_rows + 1), lines_of, dark);
    }
    const Row r = row_of(p, e, row, i);
    const float lines_per_column = static_cast<float>(static_cast<double>(lines_of.half) / i);
    const std::int32_t first = block_of(s.lo - 3), last = block_of(s.hi + 3), middle = block_of(r.u_whole);
    std::int32_t c = first;
    for (; c <= last && c < middle; c += width) {
        accurate_block<kind, -1>(p, e, r, row, i, lines_of, dark, lines_per_column, c, s);
    }
    if (c <= last && c == middle) {
        accurate_block<kind, 0>(p, e, r, row, i, lines_of, dark, lines_per_column, c, s);
        c += width;
    }
    for (; c <= last; c += width) {
        accurate_block<kind, 1>(p, e, r, row, i, lines_of, dark, lines_per_column, c, s);
    }
}

template <Kind kind>
void accurate_pass(const Pass& p) {
    for (std::int64_t k = 0; k < p.eye_count * p.scratch_per_eye; ++k) p.scratch[k] = far_below;
    Dark dark[most_eyes];
    Lines lines_of[most_eyes];
    const std::int64_t slope_row = p.eye_cols + 2 * guard;
    for (int k = 0; k < p.eye_count; ++k) {
        const Eye& e = p.eyes[k];
        float* at = p.scratch + k * p.scratch_per_eye;
        const std::int32_t half = e.lines;
        for (int n = 0; n < 3; ++n) lines_of[k].slopes[n] = at + n * slope_row + guard - e.first_col;
        lines_of[k].horizon = at + 3 * slope_row;
        lines_of[k].half = half;
        dark[k] = {lines_of[k].horizon + 2 * half + 2 * guard, half, false};
        if (kind == all_sums && p.box.void_start != nullptr) {
            for (std::int32_t m = 0; m < 2 * half + guard; ++m) dark[k].line[m] = 0.0F;
        }
    }
    const std::int32_t step = p.toward == 0 ? -1 : 1;
    const std::int32_t begin = p.toward == 0 ? p.last_row : p.first_row, end = p.toward == 0 ? p.first_row : p.last_row;
    for (std::int32_t row = begin; row * step <= end * step; row += step) {
        for (int k = 0; k < p.eye_count; ++k) {
            const Eye& e = p.eyes[k];
            const double i = (static_cast<double>(row) - e.v) * step;
            if (i > 0.0) accurate_row<kind>(p, e, row, i, lines_of[k], dark[k]);
        }
    }
}

inline void accurate(const Pass& p) {
    const Kind kind = kind_of(p);
    if (kind == bare) return accurate_pass<bare>(p);
    if (kind == with_best) return accurate_pass<with_best>(p);
    accurate_pass<all_sums>(p);
}

}  // namespace
}  // namespace kuntur::sweep
