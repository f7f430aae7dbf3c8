// The rows of a pass, compiled once per instruction level (see sweep.hpp for the idea and sweep_lanes.hpp for the rules).
#pragma once

#include "sweep.hpp"
#include "sweep_lanes.hpp"
#include "sweep_span.hpp"

namespace kuntur::sweep {
namespace {

constexpr float far_below = -1e12F;  // a slope below every terrain: nothing has been met yet

enum Kind { bare, with_best, with_exposure, all_sums };  // all_sums: also voids, depressions, targets, least heights

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
inline Floats columns_from(const Row& r, std::int32_t c) { return count_up(static_cast<float>(c - r.u_whole)); }
inline Cells cells_at(const Row& r, std::int32_t c, Floats columns) {  // columns: columns_from(r, c)
    Cells x;
    x.j = columns - r.u_part;
    x.j2 = x.j * x.j;
    x.rise = (load(r.heights + c) - r.fall) - x.j2 * r.drop;
    x.slope = x.rise * r.inverse;
    return x;
}

inline void expose(const Pass& p, const Eye& e, const Row& r, std::int32_t c, Floats slant2, Mask seen) {
    const Floats step = whole(root(slant2) * spread(p.steps_per_m));
    const Mask worth = both(seen, at_least(spread(static_cast<float>(p.steps - 1)), step));
    const Floats rate = gather(p.table, step, worth);
    store(r.exposure + c, load(r.exposure + c) + rate * spread(e.weight));
}

// Compare cells with the horizon before them and add to the sums. in: lanes that are looked at; dark: lanes whose sight
// line has met a void. every: all lanes are looked at.
template <Kind kind, bool every>
inline void judge(const Pass& p, const Eye& e, const Row& r, std::int32_t c, const Cells& x, Floats horizon, Mask in,
                  Mask dark) {
    if constexpr (kind != all_sums) {
        Mask seen = at_least(x.slope + r.slope, horizon);
        if constexpr (!every) seen = both(in, seen);
        count_one(r.count + c, seen);
        if constexpr (kind == with_best) {
            const Floats rise = x.rise + r.rise;
            const Floats slant2 = rise * rise + (x.j2 * r.across2 + r.y2);
            keep_smaller(r.best + c, slant2, seen);
        }
        if constexpr (kind == with_exposure) {
            const Floats rise = x.rise + r.rise;
            if (any(seen)) expose(p, e, r, c, rise * rise + (x.j2 * r.across2 + r.y2), seen);
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
        if (r.exposure != nullptr && any(seen)) expose(p, e, r, c, slant2, seen);
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

template <Kind kind, int side, bool every>
inline Floats fast_block(const Pass& p, const Eye& e, const Row& r, const float* horizon, std::int32_t c, Floats columns,
                         Mask in, const Dark& dark, float lines_per_column) {
    const Cells x = cells_at(r, c, columns);
    Floats own = load(horizon + c);
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
    if constexpr (!every || kind == all_sums) {
        // Beside the wedge go along its edge; the bound is one that rounding never takes a cell of the wedge to.
        share = smaller(share, spread(1.0000002F));
        own = choose(at_least(spread(0.1F * far_below), own), inner, own);  // nothing met there yet
    }
    const Floats before = own * (spread(1.0F) - share) + inner * share;
    Mask stopped = lanes(0, 0);
    if constexpr (kind == all_sums) {
        if (dark.any) stopped = behind_void(dark, place_on(x.j, lines_per_column, dark.half));
    }
    judge<kind, every>(p, e, r, c, x, before, in, stopped);
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

template <int value_>
struct Side {
    static constexpr int value = value_;
};
inline Mask every_lane() { return lanes(0, width); }

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
    const auto part = [&](std::int32_t c, auto side) {
        return fast_block<kind, decltype(side)::value, false>(p, e, r, horizon, c, columns_from(r, c), looked_at(s, c), dark,
                                                              lines_per_column);
    };
    const auto inner = [&](std::int32_t c, Floats columns, auto side) {
        store(horizon + c, fast_block<kind, decltype(side)::value, true>(p, e, r, horizon, c, columns, every_lane(), dark,
                                                                         lines_per_column));
    };
    const Floats block_width = spread(static_cast<float>(width));
    constexpr Side<-1> left{};
    constexpr Side<0> straight{};
    constexpr Side<1> right{};
    Floats at_middle{};
    const bool through_middle = first <= middle && middle <= last;
    if (through_middle) at_middle = part(middle, straight);
    // Blocks of which every lane is looked at, [inner_first, inner_last).
    const bool whole_span = s.skip_lo > s.skip_hi;
    const std::int32_t inner_first = whole_span ? block_of(s.lo + width - 1) : last + width;
    const std::int32_t inner_last = whole_span ? block_of(s.hi + 1) : first;
    const std::int32_t left_end = last < middle ? last + width : middle;
    std::int32_t c = first;
    for (; c < left_end && c < inner_first; c += width) edge(c, part(c, left));
    Floats columns = columns_from(r, c);
    for (; c < left_end && c < inner_last; c += width, columns = columns + block_width) inner(c, columns, left);
    for (; c < left_end; c += width) edge(c, part(c, left));
    const std::int32_t right_end = first > middle ? first : middle + width;
    c = last;
    for (; c >= right_end && c >= inner_last; c -= width) edge(c, part(c, right));
    columns = columns_from(r, c);
    for (; c >= right_end && c >= inner_first; c -= width, columns = columns - block_width) inner(c, columns, right);
    for (; c >= right_end; c -= width) edge(c, part(c, right));
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

// Where an observer keeps what it carries from row to row.
inline Dark dark_of(const Pass& p, int k, bool accurate) {
    const Eye& e = p.eyes[k];
    const std::int64_t row = p.eye_cols + 2 * guard, lines = 2 * std::int64_t{e.lines} + 2 * guard;
    return {p.scratch + k * p.scratch_per_eye + (accurate ? 3 * row + lines : row), e.lines, p.dark[k]};
}

inline void begin(const Pass& p, bool accurate) {
    for (int k = 0; k < p.eye_count; ++k) {
        p.dark[k] = false;
        float* at = p.scratch + k * p.scratch_per_eye;
        float* line = dark_of(p, k, accurate).line;
        for (; at < line; ++at) *at = far_below;
        for (std::int32_t m = 0; m < 2 * p.eyes[k].lines + guard; ++m) line[m] = 0.0F;
    }
}

// Every row of the pass, from the observers away, and on it every observer: look(k, row, rows away).
template <class Look>
inline void each_row(const Pass& p, Look&& look) {
    const std::int32_t step = p.toward == 0 ? -1 : 1;
    const std::int32_t first = p.toward == 0 ? p.last_row : p.first_row, last = p.toward == 0 ? p.first_row : p.last_row;
    for (std::int32_t row = first; row * step <= last * step; row += step) {
        for (int k = 0; k < p.eye_count; ++k) {
            const double i = (static_cast<double>(row) - p.eyes[k].v) * step;
            if (i > 0.0) look(k, row, i);
        }
    }
}

template <Kind kind>
void fast_pass(const Pass& p) {
    each_row(p, [&](int k, std::int32_t row, double i) {
        const Eye& e = p.eyes[k];
        Dark dark = dark_of(p, k, false);
        fast_row<kind>(p, e, row, i, p.scratch + k * p.scratch_per_eye + guard - e.first_col, dark);
        if constexpr (kind == all_sums) p.dark[k] = dark.any;
    });
}

inline Kind kind_of(const Pass& p) {
    const bool plain = p.sums.least == nullptr && p.box.targets == nullptr && p.box.void_start == nullptr && !p.depressions;
    const bool best = p.sums.best != nullptr, exposure = p.sums.exposure != nullptr;
    return !plain || (best && exposure) ? all_sums : best ? with_best : exposure ? with_exposure : bare;
}

inline void fast(const Pass& p) {
    const Kind kind = kind_of(p);
    if (kind == bare) return fast_pass<bare>(p);
    if (kind == with_best) return fast_pass<with_best>(p);
    if (kind == with_exposure) return fast_pass<with_exposure>(p);
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
    // The first cell of every block, a little too far left, in 2^-32 of a cell.
    constexpr double unit = 4294967296.0;
    first = first / width * width;
    std::int64_t start = static_cast<std::int64_t>(
        (static_cast<double>(first - lines_of.half) * (i / half) + (e.u - static_cast<double>(r.u_whole)) - 0.0625) * unit);
    const std::int64_t start_step = static_cast<std::int64_t>(static_cast<double>(width) * (i / half) * unit);
    Floats number = count_up(static_cast<float>(first - lines_of.half));
    const Floats block_width = spread(static_cast<float>(width));
    const float* row_heights = r.heights + r.u_whole;
    for (std::int32_t m = first; m <= last; m += width, number = number + block_width, start += start_step) {
        const Floats j = number * columns;
        const Floats place = j + r.u_part;
        const Wholes at = floor_of(place);
        const Floats part = place - as_floats(at);
        Floats one, two;
        near_pair(row_heights, static_cast<std::int32_t>(start >> 32), at, one, two);
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

// On which share of |j| / i the cells of a block lie: below a half, above it, or both.
enum Place { steep, flat, mixed };

// Slope of row i - 1 (back = 1) or i - 2 on the sight lines of the cells at c; share: |j| / i.
template <Kind kind, int side, int back, Place place>
inline Floats slope_before(const float* slopes, std::int32_t c, const Cells& x, Floats share) {
    const auto shifted = [&](int columns) {
        if constexpr (side < 0) return load(slopes + c + columns);
        if constexpr (side > 0) return load(slopes + c - columns);
        return choose(at_least(x.j, spread(0.0F)), load(slopes + c - columns), load(slopes + c + columns));
    };
    Floats own{}, inner = shifted(1);
    if constexpr (back == 1 || place != flat) own = load(slopes + c);
    if constexpr (back == 2) {
        share = share + share;
        if constexpr (place == flat) {
            own = inner;
            inner = shifted(2);
            share = share - spread(1.0F);
        } else if constexpr (place == mixed) {
            const Mask beyond = at_least(share, spread(1.0F));
            share = choose(beyond, share - spread(1.0F), share);
            own = choose(beyond, inner, own);
            inner = choose(beyond, shifted(2), inner);
        }
    }
    const Floats between = own + (inner - own) * share;
    if constexpr (kind == all_sums) return choose(is_some(share), between, own);  // a void with no share is not asked
    return between;
}

// What the blocks of one row have in common.
struct Sight {
    const Lines* lines_of;
    const Dark* dark;
    float* now;            // slopes of this row, of the one before, and of the one before that
    const float* before;
    const float* earlier;
    Floats lines_per_column, middle_line;
};

template <Kind kind, int side, bool every, Place place, int rows_before>
inline void accurate_block(const Pass& p, const Eye& e, const Row& r, const Sight& g, std::int32_t c, Floats columns, Mask in) {
    const Cells x = cells_at(r, c, columns);
    store(g.now + c, x.slope);
    const Floats line = x.j * g.lines_per_column + g.middle_line;
    Floats at = whole(line);
    if constexpr (!every) at = smaller(larger(at, spread(0.0F)), g.middle_line + g.middle_line);
    const Floats part = line - at;
    Floats one, two;
    gather_pair(g.lines_of->horizon, at, one, two);
    Floats horizon = one + (two - one) * part;
    Mask stopped = lanes(0, 0);
    if constexpr (kind == all_sums) {
        if (g.dark->any) {
            gather_pair(g.dark->line, at, one, two);
            stopped = is_some(one * (spread(1.0F) - part) + two * part);
        }
    }
    const Floats share = magnitude(x.j) * r.inverse;
    if constexpr (rows_before > 0) {
        const Floats slope = slope_before<kind, side, 1, place>(g.before, c, x, share);
        if constexpr (kind == all_sums) stopped = either(stopped, is_nan(slope));
        horizon = larger(slope, horizon);
    }
    if constexpr (rows_before > 1) {
        const Floats slope = slope_before<kind, side, 2, place>(g.earlier, c, x, share);
        if constexpr (kind == all_sums) stopped = either(stopped, is_nan(slope));
        horizon = larger(slope, horizon);
    }
    judge<kind, every>(p, e, r, c, x, horizon, in, stopped);
}

template <Kind kind, int rows_before>
inline void accurate_blocks(const Pass& p, const Eye& e, const Row& r, const Sight& g, double i, const Span& s) {
    const std::int32_t first = block_of(s.lo - 3), last = block_of(s.hi + 3), middle = block_of(r.u_whole);
    const bool whole_span = s.skip_lo > s.skip_hi;
    const std::int32_t inner_first = whole_span ? block_of(s.lo + width - 1) : last + width;
    const std::int32_t inner_last = whole_span ? block_of(s.hi + 1) : first;
    // Blocks [steep_first, steep_last) have every |j| below i / 2; those before and after by more than a block above it.
    const std::int32_t steep_first = block_of(up(e.u - 0.5 * i) + width), steep_last = block_of(down(e.u + 0.5 * i));
    const auto part = [&](std::int32_t c, auto side) {
        accurate_block<kind, decltype(side)::value, false, mixed, rows_before>(p, e, r, g, c, columns_from(r, c), looked_at(s, c));
    };
    constexpr Side<-1> left{};
    constexpr Side<0> straight{};
    constexpr Side<1> right{};
    const auto inner = [&](std::int32_t c, std::int32_t end, auto side, auto place) {
        const Floats block_width = spread(static_cast<float>(width));
        for (Floats columns = columns_from(r, c); c < end; c += width, columns = columns + block_width) {
            accurate_block<kind, decltype(side)::value, true, static_cast<Place>(decltype(place)::value), rows_before>(
                p, e, r, g, c, columns, every_lane());
        }
        return c;
    };
    const auto least = [](std::int32_t a, std::int32_t b) { return a < b ? a : b; };
    const auto most = [](std::int32_t a, std::int32_t b) { return a > b ? a : b; };
    constexpr Side<steep> is_steep{};
    constexpr Side<flat> is_flat{};
    constexpr Side<mixed> is_mixed{};
    std::int32_t c = first;
    const std::int32_t left_end = least(last + width, most(middle, first)), left_inner = least(left_end, inner_last);
    for (; c < left_end && c < inner_first; c += width) part(c, left);
    c = inner(c, least(left_inner, steep_first - 2 * width), left, is_flat);
    c = inner(c, least(left_inner, steep_first), left, is_mixed);
    c = inner(c, left_inner, left, is_steep);
    for (; c < left_end; c += width) part(c, left);
    if (c == middle && c <= last) {
        part(c, straight);
        c += width;
    }
    const std::int32_t right_inner = least(last + width, inner_last);
    for (; c <= last && c < inner_first; c += width) part(c, right);
    c = inner(c, least(right_inner, steep_last), right, is_steep);
    c = inner(c, least(right_inner, steep_last + 2 * width), right, is_mixed);
    c = inner(c, right_inner, right, is_flat);
    for (; c <= last; c += width) part(c, right);
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
    const std::int32_t back = p.toward == 0 ? 1 : 2;
    const double lines_per_column = static_cast<double>(lines_of.half) / i;
    float rounded = static_cast<float>(lines_per_column);
    if (static_cast<double>(rounded) > lines_per_column) rounded *= 1.0F - 6e-8F;  // never beyond the outermost line
    const Sight g{&lines_of, &dark, lines_of.slopes[row % 3], lines_of.slopes[(row + back) % 3],
                  lines_of.slopes[(row + 2 * back) % 3], spread(rounded), spread(static_cast<float>(lines_of.half))};
    if (i > 2.0) {
        accurate_blocks<kind, 2>(p, e, r, g, i, s);
    } else if (i > 1.0) {
        accurate_blocks<kind, 1>(p, e, r, g, i, s);
    } else {
        accurate_blocks<kind, 0>(p, e, r, g, i, s);
    }
}

template <Kind kind>
void accurate_pass(const Pass& p) {
    each_row(p, [&](int k, std::int32_t row, double i) {
        const Eye& e = p.eyes[k];
        float* at = p.scratch + k * p.scratch_per_eye;
        const std::int64_t slope_row = p.eye_cols + 2 * guard, first = guard - e.first_col;
        const Lines lines_of{at + 3 * slope_row, {at + first, at + slope_row + first, at + 2 * slope_row + first}, e.lines};
        Dark dark = dark_of(p, k, true);
        accurate_row<kind>(p, e, row, i, lines_of, dark);
        if constexpr (kind == all_sums) p.dark[k] = dark.any;
    });
}

inline void accurate(const Pass& p) {
    const Kind kind = kind_of(p);
    if (kind == bare) return accurate_pass<bare>(p);
    if (kind == with_best) return accurate_pass<with_best>(p);
    if (kind == with_exposure) return accurate_pass<with_exposure>(p);
    accurate_pass<all_sums>(p);
}

}  // namespace
}  // namespace kuntur::sweep
