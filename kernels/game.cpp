#include "module.hpp"

namespace kuntur {

void register_game(nanobind::module_&) {}

}  // namespace kuntur
