// The body of the sweep, compiled once per instruction level. No library code in here (see cpu.hpp). Lanes never mix, so
// every level gives the same bits.
//
// Standing still in u from t to the wave's end survives with Q(t, u), a product of this wave's factors; R = 1 / Q. A
// crosser who leaves u at t' >= t by an arc of tau steps survives until then with Q(t, u) R(t' + tau, u). So
//   best(t, u) = max(best(t + 1, u), max over arcs of M(t + tau, v) R(t + tau, u)),   M(t, u) = Q(t, u) best(t, u)
// needs no exponential and no division in the inner loop. Roundings: Q and R are rounded up from double; the two products
// are to nearest and are paid for by the inflation that kuntur.patrol.game applies at the end.
// Only ratios of one cell's Q count until its wave's end is met, so a cell whose Q becomes small is measured anew, in units
// of 2^-50: else a long look late in a wave would hide, behind the smallest float, what is seen there before it.
#include "game.hpp"

namespace kuntur::game {
namespace {

// One float a lane. With AVX2 a vector of GCC and Clang (one register); elsewhere a plain array, which is never slower than
// what they make of a vector wider than the machine's. Loads and stores go through memcpy: rows lie unaligned.
#ifdef __AVX2__
using Lanes = float __attribute__((vector_size(lanes * sizeof(float))));
inline Lanes spread(float x) { return Lanes{} + x; }
inline Lanes larger(const Lanes& a, const Lanes& b) { return a > b ? a : b; }
inline Lanes smaller(const Lanes& a, const Lanes& b) { return a < b ? a : b; }
#else
struct Lanes {
    float of[lanes];
    float& operator[](int l) { return of[l]; }
    float operator[](int l) const { return of[l]; }
};
inline Lanes spread(float x) {
    Lanes r;
    for (int l = 0; l < lanes; ++l) r.of[l] = x;
    return r;
}
inline Lanes larger(const Lanes& a, const Lanes& b) {
    Lanes r;
    for (int l = 0; l < lanes; ++l) r.of[l] = a.of[l] > b.of[l] ? a.of[l] : b.of[l];
    return r;
}
inline Lanes smaller(const Lanes& a, const Lanes& b) {
    Lanes r;
    for (int l = 0; l < lanes; ++l) r.of[l] = a.of[l] < b.of[l] ? a.of[l] : b.of[l];
    return r;
}
inline Lanes operator*(const Lanes& a, const Lanes& b) {
    Lanes r;
    for (int l = 0; l < lanes; ++l) r.of[l] = a.of[l] * b.of[l];
    return r;
}
#endif

inline Lanes load(const float* from) {
    Lanes to;
    __builtin_memcpy(&to, from, sizeof(to));
    return to;
}
inline void store(float* to, const Lanes& from) { __builtin_memcpy(to, &from, sizeof(from)); }

constexpr double up = 1.0 + 1.0 / 8388608.0;  // 1 + 2^-23: to float, never below the double
constexpr float least = 1e-30F;                // a survival is never taken for less than this, unless it is 0
constexpr double small_stay = 0x1p-50;
constexpr float tiny = 1e-37F;

inline float shrunk(float x, double by) {
    const auto y = static_cast<float>(static_cast<double>(x) * by);
    return y > tiny || x == 0.0F ? y : tiny;
}

// Measure state i (cell and lane) in smaller units, from step t's Q on: exact, powers of two.
inline void measure_anew(const Sweep& s, std::int64_t row, std::int64_t i, std::int32_t t) {
    double stay = s.stay[i] > 1e-60 ? s.stay[i] : 1e-60, by = 1.0;
    while (stay < small_stay) stay /= small_stay, by *= small_stay;
    s.stay[i] = stay;
    s.best[i] = shrunk(s.best[i], by);
    s.unit[i] = shrunk(s.unit[i], by);
    for (std::int32_t k = t + 1; k <= s.steps && k < t + s.depth; ++k) {
        float& reach = s.reach[(k % s.depth) * row + i];
        reach = shrunk(reach, by);
    }
}

inline void fill_seen(const Graph& g, const Pieces& p, const Sweep& s, std::int32_t t) {
    const std::int64_t size = std::int64_t{g.cells} * lanes;
    for (std::int64_t i = 0; i < size; ++i) s.seen[i] = 1.0F;
    for (int lane = 0; lane < lanes; ++lane) {
        if (s.plan[lane] == nullptr) continue;
        for (std::int32_t k = 0; k < s.aircraft; ++k) {
            const std::int32_t piece = s.plan[lane][std::int64_t{k} * s.steps + t];
            if (piece < 0) continue;
            for (std::int64_t i = p.start[piece]; i < p.start[piece + 1]; ++i) {
                s.seen[std::int64_t{p.cell[i]} * lanes + lane] *= p.factor[i];
            }
        }
    }
}

void sweep_wave(const Graph& g, const Pieces& p, Sweep& s) {
    const std::int64_t row = std::int64_t{g.cells} * lanes;
    const std::int64_t value_row = row + lanes;
    const std::int32_t n = s.steps;
    {
        float* reach = s.reach + (n % s.depth) * row;
        float* value = s.value + (n % s.depth) * value_row;
        for (std::int32_t u = 0; u < g.cells; ++u) {
            for (int l = 0; l < lanes; ++l) {
                const std::int64_t i = std::int64_t{u} * lanes + l;
                reach[i] = 1.0F;
                value[i] = s.value_next[u];
                s.best[i] = s.value_next[u];
                s.stay[i] = 1.0;
                s.unit[i] = 1.0F;
            }
        }
        for (int l = 0; l < lanes; ++l) value[row + l] = 1.0F;
    }
    for (std::int32_t t = n - 1; t >= 0; --t) {
        const std::int32_t base = t % s.depth;
        fill_seen(g, p, s, t);
        float* reach = s.reach + base * row;
        float* value = s.value + base * value_row;
        int small = 0;
        for (std::int64_t i = 0; i < row; ++i) {
            const double stay = s.stay[i] * static_cast<double>(s.seen[i]);
            s.stay[i] = stay;
            small |= stay < small_stay;
        }
        for (std::int64_t i = 0; small != 0 && i < row; ++i) {
            if (s.stay[i] < small_stay) measure_anew(s, row, i, t);
        }
        for (std::int64_t i = 0; i < row; ++i) reach[i] = static_cast<float>(up / s.stay[i]);
        for (std::int32_t u = 0; u < g.cells; ++u) {
            const std::int64_t at = std::int64_t{u} * lanes;
            Lanes best = load(s.best + at);
            for (std::int32_t a = g.arc_start[u]; a < g.arc_start[u + 1]; ++a) {
                const std::int32_t then = t + g.arc_tau[a];
                if (then <= n) {
                    std::int32_t slot = base + g.arc_tau[a];  // then % depth; a division here would cost more than the rest
                    slot -= slot >= s.depth ? s.depth : 0;
                    const Lanes there = load(s.value + slot * value_row + std::int64_t{g.arc_to[a]} * lanes);
                    best = larger(there * load(s.reach + slot * row + at), best);
                } else {
                    best = larger(spread(s.mid_next[g.mid_start[a] + then - n - 1]) * load(s.unit + at), best);
                }
            }
            store(s.best + at, best);
            Lanes stay;
            for (int l = 0; l < lanes; ++l) stay[l] = static_cast<float>(s.stay[at + l] * up);
            store(value + at, larger(stay * best, smaller(best, spread(least))));
        }
        for (int l = 0; l < lanes; ++l) value[row + l] = 1.0F;
        for (std::int32_t i = 0; i < g.start_count; ++i) {
            float* top = s.start_best + std::int64_t{s.start_group[i]} * lanes;
            store(top, larger(load(value + std::int64_t{g.starts[i]} * lanes), load(top)));
        }
    }
}

// Sum over lanes in a fixed order.
inline double weighted(const Lanes& value, const double* weight) {
    double part[lanes];
    for (int l = 0; l < lanes; ++l) part[l] = static_cast<double>(value[l]) * weight[l];
    return ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
}

// Expectation over the lanes, with these weights, of every state's value at the wave's beginning.
void expect_states(const Graph& g, const Sweep& s, const double* weight, double* cell_sum, double* mid_sum) {
    const std::int64_t row = std::int64_t{g.cells} * lanes;
    for (std::int32_t u = 0; u < g.cells; ++u) {
        const std::int64_t at = std::int64_t{u} * lanes;
        cell_sum[u] = weighted(load(s.value + at), weight);
        Lanes stay;
        for (int l = 0; l < lanes; ++l) stay[l] = static_cast<float>(s.stay[at + l] * up);
        const double stay_sum = weighted(stay * load(s.unit + at), weight);
        for (std::int32_t a = g.arc_start[u]; a < g.arc_start[u + 1]; ++a) {
            const float* there = s.value + std::int64_t{g.arc_to[a]} * lanes;
            for (std::int32_t left = 1; left < g.arc_tau[a]; ++left) {
                const std::int32_t mid = g.mid_start[a] + left - 1;
                if (left > s.steps) {
                    mid_sum[mid] = stay_sum * static_cast<double>(s.mid_next[mid - s.steps]);
                } else {
                    const std::int32_t slot = left < s.depth ? left : left - s.depth;
                    mid_sum[mid] = weighted(stay * (load(there + slot * (row + lanes)) * load(s.reach + slot * row + at)), weight);
                }
            }
        }
    }
}

}  // namespace
}  // namespace kuntur::game
