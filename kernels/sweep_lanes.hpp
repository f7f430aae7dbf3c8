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
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_mask_adds_epu16(old, m, old, _mm256_set1_epi16(1)));
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
struct Wholes {
    __m512i r;
};
inline Wholes floor_of(Floats a) {
    return {_mm512_cvt_roundps_epi32(a.r, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
}
inline Floats as_floats(Wholes a) { return {_mm512_cvtepi32_ps(a.r)}; }
// p[at] and p[at + 1] where every at lies in [base, base + width - 2]: two loads, and permutations within registers that
// look at the last five bits of `at` only.
inline void near_pair(const float* p, std::int32_t base, Wholes at, Floats& first, Floats& second) {
    const std::int32_t start = base & ~15, odd = start & 16;
    const __m512 even_block = _mm512_loadu_ps(p + start + odd), odd_block = _mm512_loadu_ps(p + start + 16 - odd);
    first.r = _mm512_permutex2var_ps(even_block, at.r, odd_block);
    second.r = _mm512_permutex2var_ps(even_block, _mm512_add_epi32(at.r, _mm512_set1_epi32(1)), odd_block);
}
inline Floats gather(const float* p, Floats at, Mask m) {
    return {_mm512_mask_i32gather_ps(_mm512_setzero_ps(), m, _mm512_cvttps_epi32(at.r), p, 4)};
}

// to[c * to_stride + r] = from[r * from_stride + c] for a square of `width` x `width`.
inline void turn_square(const float* from, std::int64_t from_stride, float* to, std::int64_t to_stride) {
    __m512 a[16], b[16];
    for (int k = 0; k < 16; ++k) a[k] = _mm512_loadu_ps(from + k * from_stride);
    for (int k = 0; k < 8; ++k) {
        b[2 * k] = _mm512_unpacklo_ps(a[2 * k], a[2 * k + 1]);
        b[2 * k + 1] = _mm512_unpackhi_ps(a[2 * k], a[2 * k + 1]);
    }
    for (int k = 0; k < 4; ++k) {
        const __m512d p = _mm512_castps_pd(b[4 * k]), q = _mm512_castps_pd(b[4 * k + 1]);
        const __m512d u = _mm512_castps_pd(b[4 * k + 2]), v = _mm512_castps_pd(b[4 * k + 3]);
        a[4 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(p, u));
        a[4 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(p, u));
        a[4 * k + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(q, v));
        a[4 * k + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(q, v));
    }
    for (int k = 0; k < 4; ++k) {
        b[k] = _mm512_shuffle_f32x4(a[k], a[k + 4], 0x88);
        b[k + 4] = _mm512_shuffle_f32x4(a[k], a[k + 4], 0xdd);
        b[k + 8] = _mm512_shuffle_f32x4(a[k + 8], a[k + 12], 0x88);
        b[k + 12] = _mm512_shuffle_f32x4(a[k + 8], a[k + 12], 0xdd);
    }
    for (int k = 0; k < 8; ++k) {
        _mm512_storeu_ps(to + k * to_stride, _mm512_shuffle_f32x4(b[k], b[k + 8], 0x88));
        _mm512_storeu_ps(to + (k + 8) * to_stride, _mm512_shuffle_f32x4(b[k], b[k + 8], 0xdd));
    }
}
constexpr int short_width = 32;
inline void add_shorts(std::uint16_t* to, const std::uint16_t* from) {
    _mm512_storeu_si512(to, _mm512_adds_epu16(_mm512_loadu_si512(to), _mm512_loadu_si512(from)));
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
struct Wholes {
    __m256i r;
};
inline Wholes floor_of(Floats a) { return {_mm256_cvttps_epi32(_mm256_floor_ps(a.r))}; }
inline Floats as_floats(Wholes a) { return {_mm256_cvtepi32_ps(a.r)}; }
inline void near_pair(const float* p, std::int32_t base, Wholes at, Floats& first, Floats& second) {
    const __m256i index = _mm256_sub_epi32(at.r, _mm256_set1_epi32(base));
    first.r = _mm256_permutevar8x32_ps(_mm256_loadu_ps(p + base), index);
    second.r = _mm256_permutevar8x32_ps(_mm256_loadu_ps(p + base + 1), index);
}
inline Floats gather(const float* p, Floats at, Mask m) {
    return {_mm256_mask_i32gather_ps(_mm256_setzero_ps(), p, _mm256_cvttps_epi32(at.r), m.r, 4)};
}

inline void turn_square(const float* from, std::int64_t from_stride, float* to, std::int64_t to_stride) {
    __m256 a[8], b[8];
    for (int k = 0; k < 8; ++k) a[k] = _mm256_loadu_ps(from + k * from_stride);
    for (int k = 0; k < 4; ++k) {
        b[2 * k] = _mm256_unpacklo_ps(a[2 * k], a[2 * k + 1]);
        b[2 * k + 1] = _mm256_unpackhi_ps(a[2 * k], a[2 * k + 1]);
    }
    for (int k = 0; k < 2; ++k) {
        a[4 * k] = _mm256_shuffle_ps(b[4 * k], b[4 * k + 2], 0x44);
        a[4 * k + 1] = _mm256_shuffle_ps(b[4 * k], b[4 * k + 2], 0xee);
        a[4 * k + 2] = _mm256_shuffle_ps(b[4 * k + 1], b[4 * k + 3], 0x44);
        a[4 * k + 3] = _mm256_shuffle_ps(b[4 * k + 1], b[4 * k + 3], 0xee);
    }
    for (int k = 0; k < 4; ++k) {
        _mm256_storeu_ps(to + k * to_stride, _mm256_permute2f128_ps(a[k], a[k + 4], 0x20));
        _mm256_storeu_ps(to + (k + 4) * to_stride, _mm256_permute2f128_ps(a[k], a[k + 4], 0x31));
    }
}
constexpr int short_width = 16;
inline void add_shorts(std::uint16_t* to, const std::uint16_t* from) {
    const __m256i sum = _mm256_adds_epu16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(to)),
                                          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), sum);
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
struct Wholes {
    std::int32_t r[width];
};
inline Wholes floor_of(const Floats& a) {
    Wholes y;
    KUNTUR_EACH {
        const std::int32_t i = static_cast<std::int32_t>(a.r[l]);
        y.r[l] = i - (static_cast<float>(i) > a.r[l] ? 1 : 0);
    }
    return y;
}
inline Floats as_floats(const Wholes& a) {
    Floats y;
    KUNTUR_EACH y.r[l] = static_cast<float>(a.r[l]);
    return y;
}
inline void near_pair(const float* p, std::int32_t, const Wholes& at, Floats& first, Floats& second) {
    KUNTUR_EACH {
        first.r[l] = p[at.r[l]];
        second.r[l] = p[at.r[l] + 1];
    }
}
inline Floats gather(const float* p, const Floats& at, const Mask& m) {
    Floats y;
    KUNTUR_EACH y.r[l] = m.r[l] != 0 ? p[static_cast<std::int32_t>(at.r[l])] : 0.0F;
    return y;
}
inline void turn_square(const float* from, std::int64_t from_stride, float* to, std::int64_t to_stride) {
    for (int c = 0; c < width; ++c) {
        for (int r = 0; r < width; ++r) to[c * to_stride + r] = from[r * from_stride + c];
    }
}
constexpr int short_width = 1;
inline void add_shorts(std::uint16_t* to, const std::uint16_t* from) {
    const int sum = *to + *from;
    *to = static_cast<std::uint16_t>(sum < 0xffff ? sum : 0xffff);
}
#undef KUNTUR_EACH

#endif

inline Floats operator-(Floats a) { return spread(0.0F) - a; }

}  // namespace
}  // namespace kuntur::sweep
