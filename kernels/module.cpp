#include "module.hpp"

NB_MODULE(_core, m) {
    m.doc() = "Compiled kernels: plain arrays in, plain arrays out, the interpreter lock released.";
    kuntur::register_cpu(m);
    kuntur::register_rays(m);
    kuntur::register_rates(m);
    kuntur::register_radio(m);
    kuntur::register_game(m);
    kuntur::register_sweep(m);
}
