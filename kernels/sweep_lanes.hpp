// Vectors of float with the widths of the three instruction levels, for the sweep. Every operation works element by
// element with IEEE rounding and no fused multiply-add, so results do not depend on the width. Intrinsics and plain
// loops only: an inline library function compiled here could be kept by the linker for every level (see cpu.hpp).
#pragma once

#include <cstdint>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace kuntur::sweep {
namespace {

#if defined(__AVX512F__)

constexpr int width = 16;
struct Floats {
    __m512 r;
};
using Mask = __mmask16;

inline Floats spread(float x) { return {_mm512_set1_ps(x)}; }
inline Floats load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, Floats x) { _mm512_storeu_ps(p, x.r); }
inline void store(float* p, Floats x, Mask m) { _mm512_mask_storeu_ps(p, m, x.r); }
inline Floats operator+(Floats a, Floats b) { return {_mm512_add_ps(a.r, b.r)}; }
inline Floats operator-(Floats a, Floats b) { return {_mm512_sub_ps(a.r, b.r)}; }
inline Floats operator*(Floats a, Floats b) { return {_mm512_mul_ps(a.r, b.r)}; }
inline Floats root(Floats a) { return {_mm512_sqrt_ps(a.r)}; }
inline Floats larger(Floats a, Floats b) { return {_mm512_max_ps(a.r, b.r)}; }   // b where one is NaN
inline Floats smaller(Floats a, Floats b) { return {_mm512_min_ps(a.r, b.r)}; }  // b where one is NaN
inline Floats whole(Floats a) { return {_mm512_roundscale_ps(a.r, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }
inline Floats magnitude(Floats a) { return {_mm512_abs_ps(a.r)}; }
inline Floats choose(Mask m, Floats yes, Floats no) { return {_mm512_mask_blend_ps(m, no.r, yes.r)}; }
inline Mask at_least(Floats a, Floats b) { return _mm512_cmp_ps_mask(a.r, b.r, _CMP_GE_OQ); }
inline Mask is_nan(Floats a) { return _mm512_cmp_ps_mask(a.r, a.r, _CMP_UNORD_Q); }
inline Mask both(Mask a, Mask b) { return static_cast<Mask>(a & b); }
inline Mask either(Mask a, Mask b) { return static_cast<Mask>(a | b); }
inline Mask but_not(Mask a, Mask b) { return static_cast<Mask>(a & ~b); }
inline bool any(Mask m) { return m != 0; }
inline Mask is_some(Floats a) { return _mm512_cmp_ps_mask(a.r, _mm512_setzero_ps(), _CMP_GT_OQ); }
inline float first_of(Floats a) { return _mm512_cvtss_f32(a.r); }
inline void keep_smaller(float* p, Floats x, Mask m) {
    const __m512 old = _mm512_loadu_ps(p);
    _mm512_storeu_ps(p, _mm512_mask_min_ps(old, m, x.r, old));
}
inline Floats count_up(float from) {
    return {_mm512_add_ps(_mm512_set1_ps(from),
                          _mm512_set_ps(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0))};
}
// Lanes [from, to), from >= 0, to <= width.
inline Mask lanes(int from, int to) {
    return static_cast<Mask>(to <= from ? 0U : (0xffffU >> (width - (to - from))) << from);
}
inline void count_one(std::uint16_t* p, Mask m) {
    const __m256i old = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i one = _mm256_maskz_set1_epi16(m, 1);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_adds_epu16(old, one));
}
// p[at] and p[at + 1] of every lane; at: whole numbers held as floats, p + at inside its array.
inline void gather_pair(const float* p, Floats at, Floats& first, Floats& second) {
    const __m512i index = _mm512_cvttps_epi32(at.r);
    const __m512i low = _mm512_i32gather_epi64(_mm512_castsi512_si256(index), p, 4);
    const __m512i high = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(index, 1), p, 4);
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    first.r = _mm512_castsi512_ps(_mm512_permutex2var_epi32(low, even, high));
    second.r = _mm512_castsi512_ps(_mm512_permutex2var_epi32(low, odd, high));
}
// The same where at lies in [0, width): two loads and two permutations within registers.
inline void near_pair(const float* p, Floats at, Floats& first, Floats& second) {
    const __m512i index = _mm512_cvttps_epi32(at.r);
    first.r = _mm512_permutexvar_ps(index, _mm512_loadu_ps(p));
    second.r = _mm512_permutexvar_ps(index, _mm512_loadu_ps(p + 1));
}
inline Floats gather(const float* p, Floats at, Mask m) {
    return {_mm512_mask_i32gather_ps(_mm512_setzero_ps(), m, _mm512_cvttps_epi32(at.r), p, 4)};
}

#elif defined(__AVX2__)

constexpr int width = 8;
struct Floats {
    __m256 r;
};
struct Mask {
    __m256 r;
};

inline Floats spread(float x) { return {_mm256_set1_ps(x)}; }
inline Floats load(const float* p) { return {_mm256_loadu_ps(p)}; }
inline void store(float* p, Floats x) { _mm256_storeu_ps(p, x.r); }
inline void store(float* p, Floats x, Mask m) { _mm256_maskstore_ps(p, _mm256_castps_si256(m.r), x.r); }
inline Floats operator+(Floats a, Floats b) { return {_mm256_add_ps(a.r, b.r)}; }
inline Floats operator-(Floats a, Floats b) { return {_mm256_sub_ps(a.r, b.r)}; }
inline Floats operator*(Floats a, Floats b) { return {_mm256_mul_ps(a.r, b.r)}; }
inline Floats root(Floats a) { return {_mm256_sqrt_ps(a.r)}; }
inline Floats larger(Floats a, Floats b) { return {_mm256_max_ps(a.r, b.r)}; }
inline Floats smaller(Floats a, Floats b) { return {_mm256_min_ps(a.r, b.r)}; }
inline Floats whole(Floats a) { return {_mm256_floor_ps(a.r)}; }
inline Floats magnitude(Floats a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0F), a.r)}; }
inline Floats choose(Mask m, Floats yes, Floats no) { return {_mm256_blendv_ps(no.r, yes.r, m.r)}; }
inline Mask at_least(Floats a, Floats b) { return {_mm256_cmp_ps(a.r, b.r, _CMP_GE_OQ)}; }
inline Mask is_nan(Floats a) { return {_mm256_cmp_ps(a.r, a.r, _CMP_UNORD_Q)}; }
inline Mask both(Mask a, Mask b) { return {_mm256_and_ps(a.r, b.r)}; }
inline Mask either(Mask a, Mask b) { return {_mm256_or_ps(a.r, b.r)}; }
inline Mask but_not(Mask a, Mask b) { return {_mm256_andnot_ps(b.r, a.r)}; }
inline bool any(Mask m) { return _mm256_movemask_ps(m.r) != 0; }
inline Mask is_some(Floats a) { return {_mm256_cmp_ps(a.r, _mm256_setzero_ps(), _CMP_GT_OQ)}; }
inline float first_of(Floats a) { return _mm256_cvtss_f32(a.r); }
inline void keep_smaller(float* p, Floats x, Mask m) {
    const __m256 old = _mm256_loadu_ps(p);
    _mm256_storeu_ps(p, _mm256_blendv_ps(old, _mm256_min_ps(x.r, old), m.r));
}
inline Floats count_up(float from) {
    return {_mm256_add_ps(_mm256_set1_ps(from), _mm256_set_ps(7, 6, 5, 4, 3, 2, 1, 0))};
}
inline Mask lanes(int from, int to) {
    const __m256i lane = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    const __m256i above = _mm256_cmpgt_epi32(lane, _mm256_set1_epi32(from - 1));
    const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(to), lane);
    return {_mm256_castsi256_ps(_mm256_and_si256(above, below))};
}
inline void count_one(std::uint16_t* p, Mask m) {
    const __m256i wide = _mm256_castps_si256(m.r);
    const __m128i ones = _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    const __m128i old = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_adds_epu16(old, _mm_srli_epi16(ones, 15)));
}
inline void gather_pair(const float* p, Floats at, Floats& first, Floats& second) {
    const __m256i index = _mm256_cvttps_epi32(at.r);
    const auto* pairs = reinterpret_cast<const long long*>(p);
    const __m256 low = _mm256_castsi256_ps(_mm256_i32gather_epi64(pairs, _mm256_castsi256_si128(index), 4));
    const __m256 high = _mm256_castsi256_ps(_mm256_i32gather_epi64(pairs, _mm256_extracti128_si256(index, 1), 4));
    const __m256 a = _mm256_permute2f128_ps(low, high, 0x20), b = _mm256_permute2f128_ps(low, high, 0x31);
    first.r = _mm256_shuffle_ps(a, b, 0x88);
    second.r = _mm256_shuffle_ps(a, b, 0xdd);
}
inline void near_pair(const float* p, Floats at, Floats& first, Floats& second) {
    const __m256i index = _mm256_cvttps_epi32(at.r);
    first.r = _mm256_permutevar8x32_ps(_mm256_loadu_ps(p), index);
    second.r = _mm256_permutevar8x32_ps(_mm256_loadu_ps(p + 1), index);
}
inline Floats gather(const float* p, Floats at, Mask m) {
    return {_mm256_mask_i32gather_ps(_mm256_setzero_ps(), p, _mm256_cvttps_epi32(at.r), m.r, 4)};
}

#else

constexpr int width = 8;
struct Floats {
    float r[width];
};
struct Mask {
    std::int32_t r[width];  // all bits or none
};

#define KUNTUR_EACH for (int l = 0; l < width; ++l)
inline Floats spread(float x) {
    Floats y;
    KUNTUR_EACH y.r[l] = x;
    return y;
}
inline Floats load(const float* p) {
    Floats y;
    KUNTUR_EACH y.r[l] = p[l];
    return y;
}
inline void store(float* p, const Floats& x) { KUNTUR_EACH p[l] = x.r[l]; }
inline void store(float* p, const Floats& x, const Mask& m) { KUNTUR_EACH p[l] = m.r[l] != 0 ? x.r[l] : p[l]; }
inline Floats operator+(const Floats& a, const Floats& b) {
    Floats y;
    KUNTUR_EACH y.r[l] = a.r[l] + b.r[l];
    return y;
}
inline Floats operator-(const Floats& a, const Floats& b) {
    Floats y;
    KUNTUR_EACH y.r[l] = a.r[l] - b.r[l];
    return y;
}
inline Floats operator*(const Floats& a, const Floats& b) {
    Floats y;
    KUNTUR_EACH y.r[l] = a.r[l] * b.r[l];
    return y;
}
inline Floats root(const Floats& a) {
    Floats y;
    KUNTUR_EACH y.r[l] = __builtin_sqrtf(a.r[l]);
    return y;
}
inline Floats larger(const Floats& a, const Floats& b) {
    Floats y;
    KUNTUR_EACH y.r[l] = a.r[l] > b.r[l] ? a.r[l] : b.r[l];
    return y;
}
inline Floats smaller(const Floats& a, const Floats& b) {
    Floats y;
    KUNTUR_EACH y.r[l] = a.r[l] < b.r[l] ? a.r[l] : b.r[l];
    return y;
}
inline Floats whole(const Floats& a) {  // |a| below 2^31
    Floats y;
    KUNTUR_EACH {
        const float down = static_cast<float>(static_cast<std::int32_t>(a.r[l]));
        y.r[l] = down > a.r[l] ? down - 1.0F : down;
    }
    return y;
}
inline Floats magnitude(const Floats& a) {
    Floats y;
    KUNTUR_EACH y.r[l] = __builtin_fabsf(a.r[l]);
    return y;
}
inline Floats choose(const Mask& m, const Floats& yes, const Floats& no) {
    Floats y;
    KUNTUR_EACH y.r[l] = m.r[l] != 0 ? yes.r[l] : no.r[l];
    return y;
}
inline Mask at_least(const Floats& a, const Floats& b) {
    Mask y;
    KUNTUR_EACH y.r[l] = a.r[l] >= b.r[l] ? -1 : 0;
    return y;
}
inline Mask is_nan(const Floats& a) {
    Mask y;
    KUNTUR_EACH y.r[l] = a.r[l] != a.r[l] ? -1 : 0;
    return y;
}
inline Mask both(const Mask& a, const Mask& b) {
    Mask y;
    KUNTUR_EACH y.r[l] = a.r[l] & b.r[l];
    return y;
}
inline Mask either(const Mask& a, const Mask& b) {
    Mask y;
    KUNTUR_EACH y.r[l] = a.r[l] | b.r[l];
    return y;
}
inline Mask but_not(const Mask& a, const Mask& b) {
    Mask y;
    KUNTUR_EACH y.r[l] = a.r[l] & ~b.r[l];
    return y;
}
inline bool any(const Mask& m) {
    std::int32_t found = 0;
    KUNTUR_EACH found |= m.r[l];
    return found != 0;
}
inline Mask is_some(const Floats& a) {
    Mask y;
    KUNTUR_EACH y.r[l] = a.r[l] > 0.0F ? -1 : 0;
    return y;
}
inline float first_of(const Floats& a) { return a.r[0]; }
inline void keep_smaller(float* p, const Floats& x, const Mask& m) {
    KUNTUR_EACH p[l] = m.r[l] != 0 && x.r[l] < p[l] ? x.r[l] : p[l];
}
inline Floats count_up(float from) {
    Floats y;
    KUNTUR_EACH y.r[l] = from + static_cast<float>(l);
    return y;
}
inline Mask lanes(int from, int to) {
    Mask y;
    KUNTUR_EACH y.r[l] = l >= from && l < to ? -1 : 0;
    return y;
}
inline void count_one(std::uint16_t* p, const Mask& m) {
    KUNTUR_EACH p[l] = static_cast<std::uint16_t>(p[l] + (m.r[l] != 0 && p[l] < 0xffff ? 1 : 0));
}
inline void gather_pair(const float* p, const Floats& at, Floats& first, Floats& second) {
    KUNTUR_EACH {
        const std::int32_t i = static_cast<std::int32_t>(at.r[l]);
        first.r[l] = p[i];
        second.r[l] = p[i + 1];
    }
}
inline void near_pair(const float* p, const Floats& at, Floats& first, Floats& second) {
    gather_pair(p, at, first, second);
}
inline Floats gather(const float* p, const Floats& at, const Mask& m) {
    Floats y;
    KUNTUR_EACH y.r[l] = m.r[l] != 0 ? p[static_cast<std::int32_t>(at.r[l])] : 0.0F;
    return y;
}
#undef KUNTUR_EACH

#endif

inline Floats operator-(Floats a) { return spread(0.0F) - a; }

}  // namespace
}  // namespace kuntur::sweep
