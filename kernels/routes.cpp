// Cheapest routes of a crosser through a field of costs.
//
// Costs are whole numbers, rounded down (routes.hpp), so the least cost errs down only. The backward pass keeps a ring of the last `longest` rows of values, a
// choice of two bytes for every step and cell, and the values of the start cells: nothing else grows with the night.
#include <nanobind/nanobind.h>
#include <nanobind/stl/tuple.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <tuple>

#include "game_arrays.hpp"
#include "module.hpp"
#include "routes.hpp"

namespace kuntur {

void register_routes(nanobind::module_& m);

namespace game {
namespace {

using namespace nb::literals;

// Threads wait here for each other after every step; spinning first, since a step takes well under a millisecond.
class Barrier {
public:
    explicit Barrier(int count) : count_(count) {}
    void wait() {
        if (count_ == 1) return;
        const int turn = turn_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
            arrived_.store(0, std::memory_order_relaxed);
            turn_.store(turn + 1, std::memory_order_release);
            return;
        }
        for (int spins = 0; turn_.load(std::memory_order_acquire) == turn; ++spins) {
            if (spins > 2000) std::this_thread::yield();
        }
    }

private:
    const int count_;
    std::atomic<int> arrived_{0}, turn_{0};
};

// The backward pass. choice (steps, cells): the arc to leave by, counted within the cell, or `stay`. start_value (steps,
// starts). Both may be null.
class Backward {
public:
    Backward(const Graph& g, const float* cost, std::int32_t steps, std::uint16_t* choice, std::uint32_t* start_value)
        : g_(g), cost_(cost), steps_(steps), depth_(g.longest + 1), row_(static_cast<std::size_t>(g.cells) + 1),
          scale_(static_cast<float>(1 << unit_bits(g.longest))), choice_(choice), start_value_(start_value),
          value_(2 * static_cast<std::size_t>(depth_) * row_, out_of_reach), spent_(value_.size(), 0U) {
        value_of(steps)[row_ - 1] = value_of(steps)[static_cast<std::size_t>(depth_) * row_ + row_ - 1] = 0;
        for (std::int32_t a = 0; a < g.arc_start[g.cells]; ++a) {
            there_.push_back(static_cast<std::uint32_t>(static_cast<std::size_t>(g.arc_tau[a]) * row_) + static_cast<std::uint32_t>(g.arc_to[a]));
            here_.push_back(static_cast<std::uint32_t>(static_cast<std::size_t>(g.arc_tau[a]) * row_) + static_cast<std::uint32_t>(g.arc_from[a]));
        }
    }

    double unit() const { return 1.0 / static_cast<double>(scale_); }

    void run(int threads) {
        const int used = std::max(1, std::min(threads, g_.cells / 2000));
        Barrier barrier(used);
        share(used, used, [&](int k) {
            const auto first = static_cast<std::int32_t>(std::int64_t{g_.cells} * k / used);
            const auto last = static_cast<std::int32_t>(std::int64_t{g_.cells} * (k + 1) / used);
            for (std::int32_t t = steps_; t-- > 0;) {
                if (t + g_.longest > steps_) {
                    step<true>(t, first, last);
                } else {
                    step<false>(t, first, last);
                }
                barrier.wait();
                if (k == 0 && start_value_ != nullptr) keep_starts(t);
            }
        });
    }

private:
    std::uint32_t* value_of(std::int32_t t) { return value_.data() + static_cast<std::size_t>(t % depth_) * row_; }
    std::uint32_t* spent_of(std::int32_t t) { return spent_.data() + static_cast<std::size_t>(t % depth_) * row_; }

    // One step of the cells [first, last). Every row lies in the ring twice, so that no index needs a remainder.
    template <bool near_end>
    void step(std::int32_t t, std::int32_t first, std::int32_t last) {
        const std::size_t twin = static_cast<std::size_t>(depth_) * row_;
        std::uint32_t* value = value_of(t);
        std::uint32_t* spent = spent_of(t);
        const std::uint32_t* value_after = value_of(t + 1);
        const std::uint32_t* spent_after = spent_of(t + 1);
        const float* cost = cost_ + static_cast<std::size_t>(t) * static_cast<std::size_t>(g_.cells);
        std::uint16_t* choice = choice_ == nullptr ? nullptr : choice_ + static_cast<std::size_t>(t) * static_cast<std::size_t>(g_.cells);
        for (std::int32_t u = first; u < last; ++u) {
            const std::uint32_t paid = in_units(cost[u], scale_);
            const std::uint32_t until = spent_after[u] + paid;  // of standing still to the end, modulo 2^32
            std::uint32_t low = out_of_reach;
            std::uint32_t leave = stay;
            const std::int32_t begin = g_.arc_start[u];
            const std::int32_t end = g_.arc_start[u + 1];
            for (std::int32_t a = begin; a < end; ++a) {
                if (near_end && t + g_.arc_tau[a] > steps_) continue;
                const std::uint32_t through = value[there_[static_cast<std::size_t>(a)]] + (until - spent[here_[static_cast<std::size_t>(a)]]);
                leave = through < low ? static_cast<std::uint32_t>(a - begin) : leave;
                low = through < low ? through : low;
            }
            const std::uint32_t waiting = value_after[u] + paid;
            leave = waiting < low ? stay : leave;
            low = waiting < low ? waiting : low;
            value[u] = value[twin + static_cast<std::size_t>(u)] = low;
            spent[u] = spent[twin + static_cast<std::size_t>(u)] = until;
            if (choice != nullptr) choice[u] = static_cast<std::uint16_t>(leave);
        }
        if (first == 0) value[row_ - 1] = value[twin + row_ - 1] = 0;
    }

    void keep_starts(std::int32_t t) {
        const std::uint32_t* value = value_of(t);
        std::uint32_t* kept = start_value_ + static_cast<std::size_t>(t) * static_cast<std::size_t>(g_.start_count);
        for (std::int32_t j = 0; j < g_.start_count; ++j) kept[j] = value[g_.starts[j]];
    }

    const Graph& g_;
    const float* cost_;
    const std::int32_t steps_, depth_;
    const std::size_t row_;
    const float scale_;
    std::uint16_t* choice_;
    std::uint32_t* start_value_;
    std::vector<std::uint32_t> value_, spent_, there_, here_;
};

struct Start {
    std::uint32_t cost = out_of_reach;
    std::int32_t t = 0, u = 0;
};

// The cheapest start of one group in a window of steps, the latest of equals. group null: every start.
Start cheapest_start(const Graph& g, const std::uint32_t* start_value, const std::int32_t* group, std::int32_t wanted, const std::int32_t* window) {
    Start best;
    for (std::int32_t t = window[0]; t < window[1]; ++t) {
        const std::uint32_t* value = start_value + static_cast<std::size_t>(t) * static_cast<std::size_t>(g.start_count);
        for (std::int32_t j = 0; j < g.start_count; ++j) {
            if (group != nullptr && group[j] != wanted) continue;
            if (value[j] < out_of_reach && value[j] <= best.cost) best = {value[j], t, g.starts[j]};
        }
    }
    return best;
}

void follow(const Graph& g, const std::uint16_t* choice, const Start& from, std::int32_t* route) {
    if (from.cost >= out_of_reach) return;
    std::int32_t t = from.t, u = from.u;
    while (u != g.cells) {
        const std::uint16_t leave = choice[static_cast<std::size_t>(t) * static_cast<std::size_t>(g.cells) + static_cast<std::size_t>(u)];
        const std::int32_t a = g.arc_start[u] + leave;
        const std::int32_t then = leave == stay ? t + 1 : t + g.arc_tau[a];
        for (std::int32_t k = t; k < then; ++k) route[k] = u;
        t = then;
        if (leave != stay) u = g.arc_to[a];
    }
}

void check_degree(const Graph& g) {
    for (std::int32_t u = 0; u < g.cells; ++u) require(g.arc_start[u + 1] - g.arc_start[u] < stay, "too many arcs leave one cell");
}

using Routes = std::tuple<Out<double>, Out<std::int32_t>>;

// Cheapest routes from each group of start cells in each window of steps [window[i], window[i + 1]) to the goal before the
// end. cost(t, u) is paid for step t in cell u. route: (groups * windows, steps) cell per step, -1 outside.
Routes cheapest_routes(const HeldGraph& held, In<float, 2> cost, In<std::int32_t, 1> group, In<std::int32_t, 1> window, bool trace,
                       int threads) {
    const Graph& g = held.graph;
    const auto steps = static_cast<std::int32_t>(cost.shape(0));
    const auto cells = static_cast<std::size_t>(g.cells);
    require(cost.shape(1) == cells && group.size() == static_cast<std::size_t>(g.start_count) && window.size() >= 2,
            "cost, group or window do not fit");
    std::int32_t groups = 0;
    for (std::size_t i = 0; i < group.size(); ++i) groups = std::max(groups, group.data()[i] + 1);
    check_degree(g);
    const std::size_t windows = window.size() - 1;
    const std::size_t count = static_cast<std::size_t>(groups) * windows;
    const auto n = static_cast<std::size_t>(steps);
    auto least = make_out<double>({count});
    auto route = make_out<std::int32_t>({trace ? count : 0, n});
    nb::gil_scoped_release free_interpreter;
    std::unique_ptr<std::uint16_t[]> choice(trace ? new std::uint16_t[n * cells] : nullptr);
    std::vector<std::uint32_t> start_value(n * static_cast<std::size_t>(g.start_count));
    Backward pass(g, cost.data(), steps, choice.get(), start_value.data());
    pass.run(threads);
    std::fill(route.data(), route.data() + route.size(), -1);
    for (std::size_t i = 0; i < count; ++i) {
        const std::int32_t windowed[2] = {std::max(0, window.data()[i % windows]), std::min(steps, window.data()[i % windows + 1])};
        const Start best = cheapest_start(g, start_value.data(), group.data(), static_cast<std::int32_t>(i / windows), windowed);
        least.data()[i] = best.cost < out_of_reach ? static_cast<double>(best.cost) * pass.unit() : std::numeric_limits<double>::infinity();
        if (trace) follow(g, choice.get(), best, route.data() + i * n);
    }
    return {least, route};
}

// Cheapest route through each of several weightings (answers, waves, columns) of the same columns, one a thread at a time.
Routes cheapest_answers(const HeldGraph& held, HeldPieces& pieces, In<std::int32_t, 4> plan, In<double, 3> weight, bool trace, int threads) {
    const Graph& g = held.graph;
    const std::size_t waves = plan.shape(0), columns = plan.shape(1), cells = static_cast<std::size_t>(g.cells);
    const auto steps = static_cast<std::int32_t>(waves * plan.shape(3));
    require(weight.shape(1) == waves && weight.shape(2) == columns, "weight is not (answers, waves, columns)");
    require(pieces.cells() == g.cells, "pieces and graph differ");
    check_degree(g);
    const std::size_t count = weight.shape(0), n = static_cast<std::size_t>(steps);
    auto least = make_out<double>({count});
    auto route = make_out<std::int32_t>({trace ? count : 0, n});
    nb::gil_scoped_release free_interpreter;
    std::fill(route.data(), route.data() + route.size(), -1);
    const Shown shown{pieces.pieces, pieces.exposure(), plan.data(), waves, columns, plan.shape(2), plan.shape(3), cells};
    share(static_cast<int>(count), threads, [&](int number) {
        const auto i = static_cast<std::size_t>(number);
        std::vector<float> cost(n * cells, 0.0F);
        for (std::size_t w = 0; w < waves; ++w) {
            add_wave(shown, w, weight.data() + (i * waves + w) * columns, cost.data() + w * shown.steps * cells);
        }
        std::unique_ptr<std::uint16_t[]> choice(trace ? new std::uint16_t[n * cells] : nullptr);
        std::vector<std::uint32_t> start_value(n * static_cast<std::size_t>(g.start_count));
        Backward pass(g, cost.data(), steps, choice.get(), start_value.data());
        pass.run(1);
        const std::int32_t whole[2] = {0, steps};
        const Start best = cheapest_start(g, start_value.data(), nullptr, 0, whole);
        least.data()[i] = best.cost < out_of_reach ? static_cast<double>(best.cost) * pass.unit() : std::numeric_limits<double>::infinity();
        if (trace) follow(g, choice.get(), best, route.data() + i * n);
    });
    return {least, route};
}

}  // namespace
}  // namespace game

void register_routes(nanobind::module_& m) {
    using namespace game;
    m.def("cheapest_routes", &cheapest_routes, "graph"_a, "cost"_a, "group"_a, "window"_a, "trace"_a, "threads"_a,
          "Least cost float64 (groups * windows), rounded down, and its route int32 (groups * windows, steps), -1 outside\n"
          "the graph; no routes unless trace. cost: float32 (steps, cells), not negative; group: int32 (starts), -1 unused;\n"
          "window: int32, rising.");
    m.def("cheapest_answers", &cheapest_answers, "graph"_a, "pieces"_a, "plan"_a, "weight"_a, "trace"_a, "threads"_a,
          "The same from any start cell at any step through the weighted exposure of each weight (answers, waves, columns):\n"
          "least cost (answers), route (answers, steps). plan: int32 (waves, columns, aircraft, steps).");
}

}  // namespace kuntur
