#include "sweep_planes.hpp"
#include "sweep_rows.hpp"

namespace kuntur::sweep {

Kernels kernels_avx512() { return {begin, fast, accurate, turn_plane, add_counts_to, keep_roots_in}; }

}  // namespace kuntur::sweep
