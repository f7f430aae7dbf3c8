#include "module.hpp"

namespace kuntur {

void register_visibility(nanobind::module_&) {}

}  // namespace kuntur
