#include "cpu.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include "module.hpp"

namespace kuntur {
namespace {

SimdLevel hardware_level() {
#ifdef KUNTUR_HAVE_AVX2
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
        return wide ? SimdLevel::avx512 : SimdLevel::avx2;
    }
#endif
    return SimdLevel::baseline;
}

SimdLevel decide_level() {
    const char* text = std::getenv("KUNTUR_SIMD");
    const std::string_view wish = text == nullptr ? "" : text;
    if (wish == "baseline") return SimdLevel::baseline;
    const SimdLevel most = hardware_level();  // never above what the processor has
    if (wish.empty() || wish == "avx512") return most;
    if (wish == "avx2") return most == SimdLevel::baseline ? most : SimdLevel::avx2;
    throw std::runtime_error("KUNTUR_SIMD is '" + std::string(wish) +
                             "'; write 'baseline', 'avx2' or 'avx512', or unset it");
}

}  // namespace

SimdLevel simd_level() {
    static const SimdLevel level = decide_level();
    return level;
}

void register_cpu(nanobind::module_& m) {
    m.def(
        "simd_level",
        [] {
            const SimdLevel level = simd_level();
            return level == SimdLevel::avx512 ? "avx512" : level == SimdLevel::avx2 ? "avx2" : "baseline";
        },
        "Instruction level the kernels use in this process: 'baseline', 'avx2' or 'avx512'.\n\n"
        "KUNTUR_SIMD=baseline or avx2 in the environment lowers it; results are the same bits on all.");
}

}  // namespace kuntur
