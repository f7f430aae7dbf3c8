// Many viewsheds in one sweep. A pass takes one half of the compass (north then south, or on the transposed heights west
// then east), row by row away from the observers, and for each row all observers of a batch, so that a row of heights
// and of sums is in the nearest cache while all of them use it.
//
// Within a pass everything is in perspective: a cell i rows away and j columns aside lies on the sight line j / i, and the
// slope (height - eye) / i tells what hides what. Sight lines are straight in these coordinates whatever the cell's shape;
// the cell's size enters only through the drop of the curved earth and through slant ranges.
#pragma once

#include <cstdint>

namespace kuntur::sweep {

// Accumulators hold this where every observer in range was stopped by a void.
constexpr float not_known = 1e38F;
constexpr int guard = 32;  // floats on either side of a row that may be read or written

struct Eye {  // one observer of a pass; lengths along the rows ("across") and away from the observer ("along")
    double u, v;
    double across_m, along_m;  // size of a cell
    double reach_m;
    std::int32_t first_col;  // of the columns it may look at, a multiple of 16
    std::int32_t lines;      // sight lines in half a quarter of the compass: ray_count(rows in reach)
    float alt_m;
    float weight;                                    // of its exposure
    float least_cos, least_sin, most_cos, most_sin;  // depressions that its camera covers
    std::int32_t parts[2];                           // stretches of sight lines it looks at, in each direction
    double from[2][2], to[2][2];                     // [direction][part]: j / i between them
};

struct Box {  // heights with their guards; NaN a void
    const float* heights;
    const float* targets;  // heights looked at, or null: heights + target_height_m
    std::int64_t stride;
    std::int32_t rows, cols;
    const std::int32_t* void_start;  // voids of row r: void_col[void_start[r] .. void_start[r + 1]); null: none at all
    const std::int32_t* void_col;
};

struct Sums {  // one a cell of the box; null: not wanted
    std::uint16_t* count;
    std::uint16_t* unknown;
    float* best;      // least squared slant range
    float* least;     // least height above ground that is seen
    float* exposure;
};

struct Pass {
    Box box;
    Sums sums;
    const Eye* eyes;
    std::int32_t eye_count;
    std::int32_t first_row, last_row;  // rows of the box that matter to anyone
    std::int32_t toward;               // 0: rows fall (north, west), 1: rows rise (south, east)
    bool strict;                       // the diagonals belong to the other pass
    bool depressions;                  // some camera is limited in depression
    float target_height_m;
    double curvature_per_m;
    const float* table;  // exposure a second, in steps of slant range
    std::int32_t steps;
    float steps_per_m;
    float* scratch;
    std::int64_t scratch_per_eye;  // scratch_floats(...)
    bool* dark;                    // of every eye: whether a void has stopped some of its sight lines
    std::int32_t eye_cols;         // that an observer may look at, from its first_col on
};

// Sight lines of the accurate mode in half a quarter of the compass: this many times the rows in reach.
constexpr double rays_per_row = 1.5;
// Rows before a cell's own that it is compared with directly; farther ones through the horizon of the sight lines.
constexpr int near_rows = 2;

inline std::int32_t ray_count(double rows_in_reach) {  // of half a quarter
    const double n = rays_per_row * rows_in_reach;
    return n < 16.0 ? 16 : static_cast<std::int32_t>(n) + 1;
}

// Floats that one observer needs: horizons or slopes of its columns, its sight lines, and those that are dark.
inline std::int64_t scratch_floats(bool accurate, std::int32_t eye_cols, std::int32_t lines_in_half) {
    const std::int64_t row = eye_cols + 2 * guard, lines = 2 * std::int64_t{lines_in_half} + 2 * guard;
    return ((accurate ? 3 * row + lines : row) + lines + 15) / 16 * 16 + 16;
}

// What is compiled for an instruction level.
struct Kernels {
    void (*begin)(const Pass& pass, bool accurate);  // before the first rows of a pass
    void (*fast)(const Pass& pass);
    void (*accurate)(const Pass& pass);
    void (*turn)(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t cols, float* to,
                 std::int64_t to_stride);
    void (*add_counts)(std::uint16_t* to, const std::uint16_t* from, std::int64_t n);
    void (*keep_roots)(float* to, const float* from, std::int64_t n);
};
Kernels kernels_baseline();
Kernels kernels_avx2();
Kernels kernels_avx512();

}  // namespace kuntur::sweep
