// Cheapest routes of a crosser through a field of costs.
//
// Costs are counted in whole units of 2^-bits, rounded down: sums of whole numbers are exact, so the result is the same on
// every machine and the least cost errs down only. The backward pass keeps a ring of the last `longest` rows of values, a
// choice of two bytes for every step and cell, and the values of the start cells: nothing else grows with the night.
#include <nanobind/nanobind.h>
#include <nanobind/stl/tuple.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <tuple>

#include "game_arrays.hpp"
#include "module.hpp"

namespace kuntur {

void register_routes(nanobind::module_& m);

namespace game {
namespace {

using namespace nb::literals;

constexpr std::uint32_t out_of_reach = 1U << 30;  // and more than any cost that counts
constexpr std::uint16_t stay = 0xFFFF;

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

// As fine a unit as lets the costs of the longest arc, 16 a step, and one value be added without overflow.
int unit_bits(std::int32_t longest) {
    int bits = 22;
    while (bits > 8 && (std::int64_t{longest} << (bits + 4)) > std::int64_t{out_of_reach}) --bits;
    return bits;
}

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
            const float clipped = cost[u] > 16.0F ? 16.0F : (cost[u] > 0.0F ? cost[u] : 0.0F);
            const auto paid = static_cast<std::uint32_t>(static_cast<std::int32_t>(clipped * scale_));
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
    for (std::int32_t u = 0; u < g.cells; ++u) require(g.arc_start[u + 1] - g.arc_start[u] < stay, "too many arcs leave one cell");
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
        const auto wanted = static_cast<std::int32_t>(i / windows);
        const std::size_t w = i % windows;
        const auto begin = static_cast<std::size_t>(std::max(0, window.data()[w]));
        const auto end = static_cast<std::size_t>(std::max(0, std::min(steps, window.data()[w + 1])));
        std::uint32_t low = out_of_reach;
        std::size_t t = 0, u = cells;
        for (std::size_t k = begin; k < end; ++k) {
            for (std::int32_t j = 0; j < g.start_count; ++j) {
                if (group.data()[j] != wanted) continue;
                const std::uint32_t v = start_value[k * static_cast<std::size_t>(g.start_count) + static_cast<std::size_t>(j)];
                if (v < out_of_reach && v <= low) low = v, t = k, u = static_cast<std::size_t>(g.starts[j]);  // the latest of equals
            }
        }
        least.data()[i] = u == cells ? std::numeric_limits<double>::infinity() : static_cast<double>(low) * pass.unit();
        if (!trace) continue;
        std::int32_t* out = route.data() + i * n;
        while (u != cells) {
            const std::uint16_t leave = choice[t * cells + u];
            std::size_t then = t + 1, to = u;
            if (leave != stay) {
                const std::int32_t a = g.arc_start[u] + leave;
                then = t + static_cast<std::size_t>(g.arc_tau[a]);
                to = static_cast<std::size_t>(g.arc_to[a]);
            }
            for (std::size_t k = t; k < then; ++k) out[k] = static_cast<std::int32_t>(u);
            t = then;
            u = to;
        }
    }
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
}

}  // namespace kuntur
