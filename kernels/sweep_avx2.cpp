#include "sweep_rows.hpp"

namespace kuntur::sweep {

void fast_avx2(const Pass& pass) { fast(pass); }
void accurate_avx2(const Pass& pass) { accurate(pass); }

}  // namespace kuntur::sweep
