#include "sweep_rows.hpp"

namespace kuntur::sweep {

void fast_baseline(const Pass& pass) { fast(pass); }
void accurate_baseline(const Pass& pass) { accurate(pass); }

}  // namespace kuntur::sweep
