// A bound of what every route costs, and which points no route cheaper than a target needs.
//
// A route that is about in wave w pays constant[w] <= 0 and, for each step, the cost of the cell it is in; costs are what
// kuntur.patrol.refute makes of additive fields. At the waves' beginnings the cost to go is at least what the crosser who is
// told every draw must pay (`told_*`), and the cost so far is at least 0. Everything in whole units, rounded down.
#include <nanobind/nanobind.h>
#include <nanobind/stl/tuple.h>

#include <cmath>
#include <limits>
#include <memory>
#include <tuple>

#include "game_arrays.hpp"
#include "module.hpp"
#include "routes.hpp"

namespace kuntur {

void register_routes_prune(nanobind::module_& m);

namespace game {
namespace {

using namespace nb::literals;

using Units = std::int64_t;
constexpr Units nowhere = out_of_reach;

// Which routes are meant: those that start by `last_start` and reach the goal no sooner than `first_end`.
struct Span {
    std::int32_t last_start, first_end;
};

class Passes {
public:
    Passes(const Graph& g, const float* cost, const std::uint8_t* open, std::int32_t steps, std::int32_t wave_steps, const double* constant, Span span)
        : g_(g), open_(open), span_(span), steps_(steps), n_(wave_steps), waves_(steps / wave_steps), cells_(static_cast<std::size_t>(g.cells)),
          mids_(static_cast<std::size_t>(g.mids)), scale_(static_cast<double>(1 << unit_bits(g.longest))),
          value_(new std::int32_t[static_cast<std::size_t>(steps) * cells_]), spent_((static_cast<std::size_t>(steps) + 1) * cells_),
          run_(new std::uint16_t[static_cast<std::size_t>(steps) * cells_]), choice_(new std::uint16_t[static_cast<std::size_t>(steps) * cells_]),
          at_wave_((static_cast<std::size_t>(waves_) + 1) * cells_, out_of_reach), mid_((static_cast<std::size_t>(waves_) + 1) * mids_, out_of_reach) {
        for (std::int32_t w = 0; w < waves_; ++w) constant_.push_back(static_cast<Units>(std::floor(constant[w] * scale_)));
        const auto fine = static_cast<float>(scale_);
        for (std::size_t t = static_cast<std::size_t>(steps); t-- > 0;) {  // spent: of standing still from t to the end, modulo 2^32
            for (std::size_t u = 0; u < cells_; ++u) {
                spent_[t * cells_ + u] = spent_[(t + 1) * cells_ + u] + in_units(cost[t * cells_ + u], fine);
            }
        }
    }

    Units units(double x) const { return static_cast<Units>(std::floor(std::min(x, 64.0) * scale_)); }
    double unit() const { return 1.0 / scale_; }

    void backward(const float* told_cell, const float* told_mid) {
        for (std::int32_t t = steps_; t-- > 0;) {
            const std::int32_t next = (t / n_ + 1) * n_;
            for (std::size_t u = 0; u < cells_; ++u) value_step(t, next, u);
            if (t % n_ == 0) boundary(t / n_, told_cell, told_mid);
        }
    }

    // Least bound of a route, and where it starts; those who start in a wave pay at least told_out.
    Units least(const float* told_out, std::int32_t& t0, std::int32_t& u0) const {
        Units low = nowhere;
        t0 = -1;
        for (std::int32_t t = 0; t < std::min(steps_, span_.last_start + 1); ++t) {
            for (std::int32_t j = 0; j < g_.start_count; ++j) {
                const Units v = value_[index(t, static_cast<std::size_t>(g_.starts[j]))];
                if (v >= nowhere) continue;
                const Units bound = std::max(v + constant_[static_cast<std::size_t>(t / n_)], units(static_cast<double>(told_out[t / n_])));
                if (bound < low) low = bound, t0 = t, u0 = g_.starts[j];
            }
        }
        return low;
    }

    void trace(std::int32_t t, std::int32_t u, std::int32_t* route) const {
        while (t >= 0 && t < steps_ && u != g_.cells) {
            const std::uint16_t leave = choice_[index(t, static_cast<std::size_t>(u))];
            const std::int32_t arc = g_.arc_start[u] + leave;
            const std::int32_t then = leave == stay ? t + 1 : t + g_.arc_tau[arc];
            for (std::int32_t k = t; k < std::min(then, steps_); ++k) route[k] = u;
            t = then;
            if (leave != stay) u = g_.arc_to[arc];
        }
    }

    // Marks in `kept` every point that some route with a bound below the target is in.
    void forward(Units target, const float* told_out, std::uint8_t* kept) const {
        const std::int32_t depth = g_.longest + 1;
        std::vector<Units> ring(static_cast<std::size_t>(depth) * cells_, nowhere);
        std::vector<Units> so_far(mids_, nowhere), so_far_next(mids_, nowhere);
        std::vector<std::int32_t> until(cells_, 0);  // in this cell until then, on some arc
        const auto arrive = [&](std::int32_t t, std::size_t u, Units cost) {
            Units& there = ring[static_cast<std::size_t>(t % depth) * cells_ + u];
            there = std::min(there, cost);
        };
        for (std::int32_t t = 0; t < steps_; ++t) {
            const auto w = static_cast<std::size_t>(t / n_);
            const std::int32_t next = (t / n_ + 1) * n_;
            Units* row = ring.data() + static_cast<std::size_t>(t % depth) * cells_;
            if (t % n_ == 0) {
                for (std::size_t u = 0; u < cells_; ++u) {
                    if (row[u] >= nowhere) continue;
                    row[u] = std::max<Units>(row[u], 0);
                    row[u] = row[u] + at_wave_[w * cells_ + u] >= target ? nowhere : row[u] + constant_[w];
                }
                so_far.swap(so_far_next);
                std::fill(so_far_next.begin(), so_far_next.end(), nowhere);
                carry_on(t, w, target, so_far, so_far_next, until, arrive);
            }
            for (std::int32_t j = 0; t <= span_.last_start && j < g_.start_count; ++j) {
                const auto u = static_cast<std::size_t>(g_.starts[j]);
                if (units(static_cast<double>(told_out[w])) < target) row[u] = std::min(row[u], constant_[w]);
            }
            for (std::size_t u = 0; u < cells_; ++u) {
                const Units come = row[u];
                row[u] = nowhere;
                if (come < nowhere && come + value_[index(t, u)] < target) {
                    for (std::int32_t a = g_.arc_start[u]; a < g_.arc_start[u + 1]; ++a) {
                        const std::int32_t then = t + g_.arc_tau[a];
                        if (come + through(t, next, u, a) >= target) continue;
                        until[u] = std::max(until[u], std::min(then, next));
                        if (then > next) {
                            Units& there = so_far_next[static_cast<std::size_t>(g_.mid_start[a] + then - next - 1)];
                            there = std::min(there, come + paid(t, next, u));
                        } else if (g_.arc_to[a] != g_.cells && then < steps_) {
                            arrive(then, static_cast<std::size_t>(g_.arc_to[a]), come + paid(t, then, u));
                        }
                    }
                    const Units wait = paid(t, t + 1, u);
                    if (come + wait + after(t + 1, next, static_cast<std::int32_t>(u)) < target) {
                        until[u] = std::max(until[u], t + 1);
                        if (t + 1 < steps_) arrive(t + 1, u, come + wait);
                    }
                }
                kept[index(t, u)] = t < until[u] ? 1 : 0;
            }
        }
    }

private:
    std::size_t index(std::int32_t t, std::size_t u) const { return static_cast<std::size_t>(t) * cells_ + u; }
    Units paid(std::int32_t from, std::int32_t to, std::size_t u) const {
        return static_cast<Units>(spent_[index(from, u)] - spent_[index(to, u)]);
    }

    // Cost to go of somebody free in v at t, seen from a wave that ends at `next`.
    Units after(std::int32_t t, std::int32_t next, std::int32_t v) const {
        if (v == g_.cells) return t >= span_.first_end ? 0 : nowhere;
        if (t >= steps_) return nowhere;
        return t == next ? at_wave_[index(t / n_, static_cast<std::size_t>(v))] : value_[index(t, static_cast<std::size_t>(v))];
    }

    // Cost to go by arc a, entered in u at t.
    Units through(std::int32_t t, std::int32_t next, std::size_t u, std::int32_t a) const {
        const std::int32_t then = t + g_.arc_tau[a];
        if (then > steps_ || run_[index(t, u)] < std::min(then, next) - t) return nowhere;
        if (then <= next) return paid(t, then, u) + after(then, next, g_.arc_to[a]);
        return paid(t, next, u) + mid_[static_cast<std::size_t>(next / n_) * mids_ + static_cast<std::size_t>(g_.mid_start[a] + then - next - 1)];
    }

    void value_step(std::int32_t t, std::int32_t next, std::size_t u) {
        const std::size_t at = index(t, u);
        if (!open_[at]) {
            run_[at] = 0;
            value_[at] = static_cast<std::int32_t>(nowhere);
            return;
        }
        const int before = t + 1 < steps_ ? run_[index(t + 1, u)] : 0;
        run_[at] = static_cast<std::uint16_t>(std::min(before + 1, 65535));
        Units low = nowhere;
        std::uint16_t leave = stay;
        for (std::int32_t a = g_.arc_start[u]; a < g_.arc_start[u + 1]; ++a) {
            const Units cost = through(t, next, u, a);
            if (cost < low) low = cost, leave = static_cast<std::uint16_t>(a - g_.arc_start[u]);
        }
        const Units wait = paid(t, t + 1, u) + after(t + 1, next, static_cast<std::int32_t>(u));
        if (wait < low) low = wait, leave = stay;
        value_[at] = static_cast<std::int32_t>(low);
        choice_[at] = leave;
    }

    void boundary(std::int32_t w, const float* told_cell, const float* told_mid) {
        const std::int32_t t = w * n_;
        const auto wave = static_cast<std::size_t>(w);
        const Units constant = constant_[wave];
        for (std::size_t u = 0; u < cells_; ++u) {
            const Units v = value_[index(t, u)];
            const Units told = units(static_cast<double>(told_cell[wave * cells_ + u]));
            at_wave_[wave * cells_ + u] = static_cast<std::int32_t>(v >= nowhere ? nowhere : std::min(nowhere - 1, std::max(v + constant, told)));
        }
        for (std::size_t x = 0; x < mids_; ++x) {
            const std::int32_t a = g_.mid_arc[x];
            const auto u = static_cast<std::size_t>(g_.arc_from[a]);
            const std::int32_t left = static_cast<std::int32_t>(x) - g_.mid_start[a] + 1;
            const std::int32_t here = std::min(left, n_);
            Units v = nowhere;
            if (t + left <= steps_ && run_[index(t, u)] >= here) {
                v = paid(t, t + here, u) + (left > n_ ? mid_[(wave + 1) * mids_ + x - static_cast<std::size_t>(n_)] : after(t + left, t + n_, g_.arc_to[a]));
            }
            const Units told = units(static_cast<double>(told_mid[wave * mids_ + x]));
            mid_[wave * mids_ + x] = static_cast<std::int32_t>(v >= nowhere ? nowhere : std::min(nowhere - 1, std::max(v + constant, told)));
        }
    }

    // Those on an arc at a wave's beginning go on.
    template <class Arrive>
    void carry_on(std::int32_t t, std::size_t w, Units target, const std::vector<Units>& so_far, std::vector<Units>& so_far_next,
                  std::vector<std::int32_t>& until, const Arrive& arrive) const {
        for (std::size_t x = 0; x < mids_; ++x) {
            if (so_far[x] >= nowhere) continue;
            const Units come = std::max<Units>(so_far[x], 0);
            if (come + mid_[w * mids_ + x] >= target) continue;
            const std::int32_t a = g_.mid_arc[x];
            const auto u = static_cast<std::size_t>(g_.arc_from[a]);
            const std::int32_t left = static_cast<std::int32_t>(x) - g_.mid_start[a] + 1;
            const std::int32_t here = std::min(left, n_);
            until[u] = std::max(until[u], t + here);
            const Units then = come + constant_[w] + paid(t, t + here, u);
            if (left > n_) {
                Units& there = so_far_next[x - static_cast<std::size_t>(n_)];
                there = std::min(there, then);
            } else if (g_.arc_to[a] != g_.cells && t + left < steps_) {
                arrive(t + left, static_cast<std::size_t>(g_.arc_to[a]), then);
            }
        }
    }

    const Graph& g_;
    const std::uint8_t* open_;
    const Span span_;
    const std::int32_t steps_, n_, waves_;
    const std::size_t cells_, mids_;
    const double scale_;
    std::vector<Units> constant_;
    std::unique_ptr<std::int32_t[]> value_;  // (steps, cells) cost to go, this wave's constant not counted
    std::vector<std::uint32_t> spent_;
    std::unique_ptr<std::uint16_t[]> run_, choice_;  // steps on end that a cell stays open; the arc to leave by
    std::vector<std::int32_t> at_wave_, mid_;        // (waves + 1, cells), (waves + 1, mids): cost to go with the wave's constant
};

using Pruned = std::tuple<double, Out<std::uint8_t>, Out<std::int32_t>>;

Pruned prune(const HeldGraph& held, In<float, 2> cost, In<std::uint8_t, 2> open, std::int32_t wave_steps, In<double, 1> constant,
             In<float, 2> told_cell, In<float, 2> told_mid, In<float, 1> told_out, double target, std::int32_t last_start,
             std::int32_t first_end) {
    const Graph& g = held.graph;
    const auto cells = static_cast<std::size_t>(g.cells);
    const auto steps = static_cast<std::int32_t>(cost.shape(0));
    require(wave_steps >= 1 && steps % wave_steps == 0 && steps > 0, "the night is not a whole number of waves");
    const auto waves = static_cast<std::size_t>(steps / wave_steps);
    require(cost.shape(1) == cells && open.shape(0) == cost.shape(0) && open.shape(1) == cells, "cost or open is not (steps, cells)");
    require(constant.size() == waves && told_out.size() == waves, "constant or told_out is not (waves)");
    for (std::size_t w = 0; w < waves; ++w) require(constant.data()[w] <= 0.0, "a wave's constant is above 0");
    require(told_cell.shape(0) == waves && told_cell.shape(1) == cells, "told_cell is not (waves, cells)");
    require(told_mid.shape(0) == waves && told_mid.shape(1) == static_cast<std::size_t>(g.mids), "told_mid is not (waves, mids)");
    for (std::int32_t u = 0; u < g.cells; ++u) require(g.arc_start[u + 1] - g.arc_start[u] < stay, "too many arcs leave one cell");
    auto kept = make_out<std::uint8_t>({static_cast<std::size_t>(steps), cells});
    auto route = make_out<std::int32_t>({static_cast<std::size_t>(steps)});
    std::fill(route.data(), route.data() + route.size(), -1);
    nb::gil_scoped_release free_interpreter;
    Passes passes(g, cost.data(), open.data(), steps, wave_steps, constant.data(), {last_start, first_end});
    passes.backward(told_cell.data(), told_mid.data());
    std::int32_t t = -1, u = -1;
    const Units low = passes.least(told_out.data(), t, u);
    passes.trace(t, u, route.data());
    const Units wanted = static_cast<Units>(std::ceil(target / passes.unit()));
    if (low < wanted) passes.forward(wanted, told_out.data(), kept.data());
    const double least = t < 0 ? std::numeric_limits<double>::infinity() : static_cast<double>(low) * passes.unit();
    return {least, kept, route};
}

}  // namespace
}  // namespace game

void register_routes_prune(nanobind::module_& m) {
    using namespace game;
    m.def("prune", &prune, "graph"_a, "cost"_a, "open"_a, "wave_steps"_a, "constant"_a, "told_cell"_a, "told_mid"_a, "told_out"_a,
          "target"_a, "last_start"_a, "first_end"_a,
          "Least bound of a route through open points (inf: there is none), the points uint8 (steps, cells) that routes with a\n"
          "bound below target are in, and the route int32 (steps) of the least bound.");
}

}  // namespace kuntur
