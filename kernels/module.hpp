// Every file of kernels adds its functions to kuntur._core through one register function.
#pragma once

#include <nanobind/nanobind.h>

namespace kuntur {

void register_cpu(nanobind::module_& m);
void register_rays(nanobind::module_& m);
void register_rates(nanobind::module_& m);
void register_radio(nanobind::module_& m);
void register_game(nanobind::module_& m);
void register_sweep(nanobind::module_& m);

}  // namespace kuntur
