// Moving whole planes of heights and sums, compiled once per instruction level.
#pragma once

#include "sweep.hpp"
#include "sweep_lanes.hpp"

namespace kuntur::sweep {
namespace {

// to[c * to_stride + r] = from[r * from_stride + c]
inline void turn_plane(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t cols, float* to,
                       std::int64_t to_stride) {
    const std::int64_t row_end = rows / width * width, col_end = cols / width * width;
    for (std::int64_t row = 0; row < row_end; row += width) {
        for (std::int64_t col = 0; col < col_end; col += width) {
            turn_square(from + row * from_stride + col, from_stride, to + col * to_stride + row, to_stride);
        }
    }
    for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t col = row < row_end ? col_end : 0; col < cols; ++col) {
            to[col * to_stride + row] = from[row * from_stride + col];
        }
    }
}

inline void add_counts_to(std::uint16_t* to, const std::uint16_t* from, std::int64_t n) {  // 65535 at most
    std::int64_t k = 0;
    for (; k + short_width <= n; k += short_width) add_shorts(to + k, from + k);
    for (; k < n; ++k) {
        const int sum = to[k] + from[k];
        to[k] = static_cast<std::uint16_t>(sum < 0xffff ? sum : 0xffff);
    }
}

// The lesser of what is there and the root of what comes.
inline void keep_roots_in(float* to, const float* from, std::int64_t n) {
    std::int64_t k = 0;
    for (; k + width <= n; k += width) {
        const Floats x = load(from + k);
        if (any(at_least(spread(3e38F), x))) store(to + k, smaller(root(x), load(to + k)));  // else nobody sees these
    }
    for (; k < n; ++k) {
        const float x = __builtin_sqrtf(from[k]);
        to[k] = x < to[k] ? x : to[k];
    }
}

}  // namespace
}  // namespace kuntur::sweep
