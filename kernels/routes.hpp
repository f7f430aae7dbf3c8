// Costs of routes in whole units of 2^-bits, rounded down: sums of whole numbers are exact and the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>

#include "game.hpp"

namespace kuntur::game {

constexpr std::uint32_t out_of_reach = 1U << 30;  // more than any cost that counts
constexpr float dearest_step = 16.0F;             // a step's cost is never taken for more: nobody survives e^-16 to matter
constexpr std::uint16_t stay = 0xFFFF;            // a choice: not to leave by any arc

// As fine a unit as lets the costs of the longest arc and one value be added without overflow.
inline int unit_bits(std::int32_t longest) {
    int bits = 22;
    while (bits > 8 && (std::int64_t{longest} << (bits + 4)) > std::int64_t{out_of_reach}) --bits;
    return bits;
}

inline std::uint32_t in_units(float cost, float scale) {
    const float clipped = cost > dearest_step ? dearest_step : (cost > 0.0F ? cost : 0.0F);
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(clipped * scale));
}

// Plans (waves, columns, aircraft, steps) and what their pieces show.
struct Shown {
    Pieces pieces;
    const float* exposure;  // by entry of the pieces
    const std::int32_t* plan;
    std::size_t waves, columns, aircraft, steps, cells;
};

// Adds weight (columns) times exposure of one wave to rows (steps, cells).
inline void add_wave(const Shown& s, std::size_t wave, const double* weight, float* rows) {
    for (std::size_t c = 0; c < s.columns; ++c) {
        const auto share_prob = static_cast<float>(weight[c]);
        if (share_prob == 0.0F) continue;
        const std::int32_t* plan = s.plan + (wave * s.columns + c) * s.aircraft * s.steps;
        for (std::size_t k = 0; k < s.aircraft; ++k) {
            for (std::size_t t = 0; t < s.steps; ++t) {
                const std::int32_t piece = plan[k * s.steps + t];
                if (piece < 0) continue;
                float* row = rows + t * s.cells;
                for (std::int64_t i = s.pieces.start[piece]; i < s.pieces.start[piece + 1]; ++i) row[s.pieces.cell[i]] += share_prob * s.exposure[i];
            }
        }
    }
}

}  // namespace kuntur::game
