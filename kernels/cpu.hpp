// Which instruction level the run-time dispatch may use.
#pragma once

namespace kuntur {

enum class SimdLevel { baseline, avx2, avx512 };  // each includes the one before

// The best level that the processor and the operating system offer, lowered by the environment variable
// KUNTUR_SIMD=baseline or avx2. Decided once a process, at the first call; throws std::runtime_error when
// KUNTUR_SIMD holds an unknown word. Kernels pick their function with it:
//
//     double f(...) {
//     #ifdef KUNTUR_HAVE_AVX2                     // set by CMakeLists.txt on x86-64
//         if (simd_level() >= SimdLevel::avx2) return f_avx2(...);
//     #endif
//         return f_baseline(...);
//     }
//
// where f_avx2 lives in NAME_avx2.cpp (compiled with its own flags) and includes no inline library code:
// the linker keeps one copy of an inline function for the whole module, and it may be the AVX2 one.
SimdLevel simd_level();

}  // namespace kuntur
