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
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return SimdLevel::avx2;
#endif
    return SimdLevel::baseline;
}

SimdLevel decide_level() {
    const char* text = std::getenv("KUNTUR_SIMD");
    const std::string_view wish = text == nullptr ? "" : text;
    if (wish == "baseline") return SimdLevel::baseline;
    if (wish.empty() || wish == "avx2") return hardware_level();  // never above what the processor has
    throw std::runtime_error("KUNTUR_SIMD is '" + std::string(wish) + "'; write 'baseline' or 'avx2', or unset it");
}

}  // namespace

SimdLevel simd_level() {
    static const SimdLevel level = decide_level();
    return level;
}

void register_cpu(nanobind::module_& m) {
    m.def(
        "simd_level", [] { return simd_level() == SimdLevel::avx2 ? "avx2" : "baseline"; },
        "Instruction level the kernels use in this process: 'baseline' or 'avx2'.\n\n"
        "KUNTUR_SIMD=baseline in the environment lowers it; results are the same bits on both.");
}

}  // namespace kuntur
