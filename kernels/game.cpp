// One wave of the segment game, backward (exact) and forward (where the best response goes). SCIENCE of kuntur.patrol.game.
#include <nanobind/nanobind.h>
#include <nanobind/stl/tuple.h>

#include <cmath>
#include <memory>
#include <tuple>

#include "cpu.hpp"
#include "game_arrays.hpp"
#include "module.hpp"

namespace kuntur {

void register_game_routes(nanobind::module_& m);
void register_game_flight(nanobind::module_& m);

namespace game {
namespace {

using namespace nb::literals;

void sweep(const Graph& graph, const Pieces& pieces, Sweep& s) {
#ifdef KUNTUR_HAVE_AVX2
    if (simd_level() >= SimdLevel::avx2) return sweep_avx2(graph, pieces, s);
#endif
    sweep_baseline(graph, pieces, s);
}

void expect(const Graph& graph, const Sweep& s, const double* weight, double* cell_sum, double* mid_sum) {
#ifdef KUNTUR_HAVE_AVX2
    if (simd_level() >= SimdLevel::avx2) return expect_avx2(graph, s, weight, cell_sum, mid_sum);
#endif
    expect_baseline(graph, s, weight, cell_sum, mid_sum);
}

// Start cells by group: the best start of each is told apart.
struct Groups {
    const std::int32_t* of;
    std::int32_t count;
};

Groups groups_of(const Graph& g, const In<std::int32_t, 1>& group) {
    require(static_cast<std::int32_t>(group.size()) == g.start_count, "group is not (start cells)");
    std::int32_t count = 1;
    for (std::size_t i = 0; i < group.size(); ++i) {
        require(group.data()[i] >= 0, "a start cell is in no group");
        count = std::max(count, group.data()[i] + 1);
    }
    return {group.data(), count};
}

// A Sweep with its memory.
class Room {
public:
    Room(const Graph& g, const Groups& starts, std::int32_t steps, std::int32_t aircraft, std::int32_t depth)
        : start_best_(static_cast<std::size_t>(starts.count) * lanes, 0.0F) {
        const auto row = static_cast<std::size_t>(g.cells) * lanes;
        const auto rows = static_cast<std::size_t>(depth);
        reach_.reset(new float[rows * row]);  // left unset: the sweep writes every row before it reads it
        value_.reset(new float[rows * (row + lanes)]);
        best_.reset(new float[row]);
        stay_.reset(new double[row]);
        unit_.reset(new float[row]);
        seen_.reset(new float[row]);
        s.start_group = starts.of;
        s.start_best = start_best_.data();
        s.steps = steps;
        s.aircraft = aircraft;
        s.depth = depth;
        s.reach = reach_.get();
        s.value = value_.get();
        s.best = best_.get();
        s.stay = stay_.get();
        s.unit = unit_.get();
        s.seen = seen_.get();
    }
    Sweep s;

private:
    std::unique_ptr<float[]> reach_, value_, best_, seen_, unit_;
    std::unique_ptr<double[]> stay_;
    std::vector<float> start_best_;
};

void give_plan(Sweep& s, const In<std::int32_t, 3>& plan, int group) {
    const auto columns = static_cast<int>(plan.shape(0));
    const std::size_t size = plan.shape(1) * plan.shape(2);
    for (int lane = 0; lane < lanes; ++lane) {
        const int column = group * lanes + lane;
        s.plan[lane] = column < columns ? plan.data() + static_cast<std::size_t>(column) * size : nullptr;
    }
}

void check_plan(const In<std::int32_t, 3>& plan, const HeldPieces& pieces) {
    const std::int32_t* first = plan.data();
    for (const std::int32_t* p = first; p != first + plan.size(); ++p) {
        require(*p >= -1 && *p < pieces.count(), "a plan names a piece that is not there");
    }
}

// Value of mid-arc state `mid` at the wave's beginning, in one lane.
inline float mid_value(const Graph& g, const Sweep& s, std::int32_t mid, int lane) {
    const std::int32_t a = g.mid_arc[mid];
    const std::int32_t left = mid - g.mid_start[a] + 1;
    const std::int64_t row = std::int64_t{g.cells} * lanes;
    const std::int64_t at = std::int64_t{g.arc_from[a]} * lanes + lane;
    const auto stay = static_cast<float>(s.stay[at] * (1.0 + 1.0 / 8388608.0));
    if (left > s.steps) return stay * s.unit[at] * s.mid_next[mid - s.steps];
    const std::int32_t slot = left % s.depth;
    return stay * (s.reach[slot * row + at] * s.value[slot * (row + lanes) + std::int64_t{g.arc_to[a]} * lanes + lane]);
}

float float_up(double x) {
    const auto nearest = static_cast<float>(x);
    return static_cast<double>(nearest) >= x ? nearest : std::nextafter(nearest, 2.0F);
}

using Values = std::tuple<Out<float>, Out<float>, Out<float>>;

Values backward_wave(const HeldGraph& held, const HeldPieces& pieces, In<std::int32_t, 3> plan, In<double, 2> sigma,
                     In<float, 1> value_next, In<float, 1> mid_next, In<std::int32_t, 1> group, int threads) {
    const Graph& g = held.graph;
    const Groups starts = groups_of(g, group);
    require(plan.shape(0) == sigma.shape(1) && plan.shape(2) >= 1, "plan and sigma differ");
    require(static_cast<std::int32_t>(value_next.size()) == g.cells, "value_next is not (cells)");
    require(static_cast<std::int32_t>(mid_next.size()) == g.mids, "mid_next is not (mids)");
    require(pieces.cells() == g.cells, "pieces and graph differ");
    check_plan(plan, pieces);
    const auto columns = static_cast<int>(plan.shape(0));
    const auto steps = static_cast<std::int32_t>(plan.shape(2));
    const int groups = (columns + lanes - 1) / lanes;
    const auto cells = static_cast<std::size_t>(g.cells);
    const auto mids = static_cast<std::size_t>(g.mids);
    const std::size_t begins = sigma.shape(0), states = cells + mids;
    auto value = make_out<float>({begins, cells});
    auto mid = make_out<float>({begins, mids});
    const auto sets = static_cast<std::size_t>(starts.count);
    auto start_best = make_out<float>({static_cast<std::size_t>(columns), sets});
    {
        nb::gil_scoped_release free_interpreter;
        const auto weight_of = [&](std::size_t begin, int column) {
            return column < columns ? sigma.data()[begin * static_cast<std::size_t>(columns) + static_cast<std::size_t>(column)] : 0.0;
        };
        std::vector<std::vector<double>> sums(static_cast<std::size_t>(groups));
        share(groups, threads, [&](int part) {
            Room room(g, starts, steps, static_cast<std::int32_t>(plan.shape(1)), std::min(g.longest, steps) + 1);
            Sweep& s = room.s;
            give_plan(s, plan, part);
            s.value_next = value_next.data();
            s.mid_next = mid_next.data();
            sweep(g, pieces.pieces, s);
            std::vector<double>& sum = sums[static_cast<std::size_t>(part)];
            sum.assign(begins * states, 0.0);
            for (std::size_t begin = 0; begin < begins; ++begin) {
                double weight[lanes], any = 0.0;
                for (int lane = 0; lane < lanes; ++lane) any += weight[lane] = weight_of(begin, part * lanes + lane);
                double* at = sum.data() + begin * states;
                if (any > 0.0) expect(g, s, weight, at, at + cells);
            }
            for (int lane = 0; lane < lanes && part * lanes + lane < columns; ++lane) {
                for (std::size_t set = 0; set < sets; ++set) {
                    start_best.data()[static_cast<std::size_t>(part * lanes + lane) * sets + set] = s.start_best[set * lanes + static_cast<std::size_t>(lane)];
                }
            }
        });
        for (std::size_t begin = 0; begin < begins; ++begin) {
            for (std::size_t i = 0; i < states; ++i) {
                double total = 0.0;
                for (const std::vector<double>& sum : sums) total += sum[begin * states + i];
                const float rounded = float_up(total * (1.0 + 1e-12));
                (i < cells ? value.data()[begin * cells + i] : mid.data()[begin * mids + i - cells]) = rounded;
            }
        }
    }
    return {value, mid, start_best};
}

// Follows the crosser's best response through one lane: from (t, u) to the wave's end, leaving weight on the way.
class Trace {
public:
    Trace(const Graph& g, const Sweep& s, int lane, double* next, float* flow)
        : g_(g), s_(s), lane_(lane), row_(std::int64_t{g.cells} * lanes), next_(next), flow_(flow) {}

    // mass: of undetected crossers in u at t; worth: mass times survival to go, times the column's probability.
    void from_cell(std::int32_t t, std::int32_t u, double mass, double worth, double share) {
        while (t < s_.steps) {
            std::int32_t depart = 0;
            const std::int32_t arc = departure(t, u, depart);
            const std::int32_t then = arc < 0 ? s_.steps : depart + g_.arc_tau[arc];
            const std::int32_t until = std::min(then, s_.steps);
            for (std::int32_t k = t; k < until; ++k) flow_[std::int64_t{k} * g_.cells + u] += static_cast<float>(worth);
            mass *= static_cast<double>(reach(until, u)) / static_cast<double>(reach(t, u));
            if (arc < 0) break;
            if (then > s_.steps) {
                next_[g_.cells + g_.mid_start[arc] + then - s_.steps - 1] += mass * share;
                return;
            }
            u = g_.arc_to[arc];
            t = then;
            if (u == g_.cells) return;
        }
        next_[u] += mass * share;
    }

    void from_mid(std::int32_t mid, double mass, double worth, double share) {
        const std::int32_t a = g_.mid_arc[mid];
        const std::int32_t u = g_.arc_from[a];
        const std::int32_t left = mid - g_.mid_start[a] + 1;
        const std::int32_t until = std::min(left, s_.steps);
        for (std::int32_t k = 0; k < until; ++k) flow_[std::int64_t{k} * g_.cells + u] += static_cast<float>(worth);
        mass *= static_cast<double>(reach(until, u)) / static_cast<double>(reach(0, u));
        if (left > s_.steps) {
            next_[g_.cells + mid - s_.steps] += mass * share;
        } else if (g_.arc_to[a] != g_.cells) {
            from_cell(left, g_.arc_to[a], mass, worth, share);
        }
    }

    float value(std::int32_t t, std::int32_t u) const { return s_.value[t * (row_ + lanes) + std::int64_t{u} * lanes + lane_]; }

private:
    float reach(std::int32_t t, std::int32_t u) const { return s_.reach[t * row_ + std::int64_t{u} * lanes + lane_]; }

    // The first step at which leaving u is as good as anything later; -1 (and the wave's end) if staying is.
    std::int32_t departure(std::int32_t t, std::int32_t u, std::int32_t& depart) const {
        const float wanted = value(t, u) * reach(t, u) * (1.0F - 4e-6F);
        for (std::int32_t k = t; k < s_.steps; ++k) {
            for (std::int32_t a = g_.arc_start[u]; a < g_.arc_start[u + 1]; ++a) {
                const std::int32_t then = k + g_.arc_tau[a];
                const float survive = then <= s_.steps ? value(then, g_.arc_to[a]) * reach(then, u)
                                                       : s_.mid_next[g_.mid_start[a] + then - s_.steps - 1] * reach(s_.steps, u);
                if (survive >= wanted) {
                    depart = k;
                    return a;
                }
            }
        }
        return -1;
    }

    const Graph& g_;
    const Sweep& s_;
    int lane_;
    std::int64_t row_;
    double* next_;
    float* flow_;
};

// A crosser still outside chooses a start: softly, so that many nearly best ones are seen at once. Temperature 0: the best.
struct Choice {
    std::int32_t t, u;
    double value, share;
};

// wanted: the group of start cells he is held to; -1 for any.
std::vector<Choice> start_choices(const Graph& g, const Sweep& s, const Trace& trace, std::int32_t wanted, double out_next,
                                  double temperature, int waves_after, double& stay_out) {
    std::vector<Choice> choices;
    double top = out_next;
    for (std::int32_t i = 0; i < g.start_count; ++i) {
        if (wanted >= 0 && s.start_group[i] != wanted) continue;
        Choice best{0, g.starts[i], -1.0, 0.0};
        for (std::int32_t t = 0; t < s.steps; ++t) {
            const auto value = static_cast<double>(trace.value(t, best.u));
            if (value > best.value) best = {t, best.u, value, 0.0};
        }
        top = std::max(top, best.value);
        choices.push_back(best);
    }
    const auto weight = [&](double value) {
        if (temperature > 0.0) return std::exp((value - top) / temperature);
        return value >= top ? 1.0 : 0.0;
    };
    stay_out = weight(out_next);
    if (temperature > 0.0) stay_out *= static_cast<double>(waves_after) * static_cast<double>(g.start_count);  // as many later
    double total = stay_out;
    for (Choice& choice : choices) total += choice.share = weight(choice.value);
    stay_out /= total;
    double kept = stay_out;
    for (Choice& choice : choices) {
        choice.share /= total;
        if (choice.share < 1e-3) choice.share = 0.0;
        kept += choice.share;
    }
    for (Choice& choice : choices) choice.share /= kept;
    stay_out /= kept;
    return choices;
}

using Derivative = std::tuple<Out<double>, Out<double>, Out<double>, Out<float>>;

Derivative forward_wave(const HeldGraph& held, const HeldPieces& pieces, In<std::int32_t, 3> plan, In<double, 1> sigma,
                        In<std::int32_t, 1> begin, In<float, 1> value_next, In<float, 1> mid_next, In<std::int32_t, 1> group,
                        In<std::int32_t, 1> held_to, In<double, 1> out_next, In<std::int64_t, 1> state_start,
                        In<std::int32_t, 1> state, In<double, 1> mass, In<double, 2> out_mass, In<double, 1> flow_weight,
                        double temperature, int waves_after, bool follow, int threads) {
    const Graph& g = held.graph;
    const Groups starts = groups_of(g, group);
    const std::size_t kinds = out_mass.shape(0), layouts = out_mass.shape(1);
    require(plan.shape(0) == sigma.size() && begin.size() == sigma.size() && plan.shape(2) >= 1, "plan, sigma and begin differ");
    require(held_to.size() == kinds && out_next.size() == kinds && flow_weight.size() == kinds, "kinds of crosser differ");
    require(state_start.size() == kinds * layouts + 1 && state_start.data()[0] == 0 &&
                state_start.data()[kinds * layouts] == static_cast<std::int64_t>(state.size()),
            "states, kinds and layouts differ");
    for (std::size_t i = 0; i < begin.size(); ++i) {
        require(begin.data()[i] >= 0 && static_cast<std::size_t>(begin.data()[i]) < layouts, "a column begins nowhere");
    }
    require(static_cast<std::int32_t>(value_next.size()) == g.cells && static_cast<std::int32_t>(mid_next.size()) == g.mids,
            "values are not of this graph");
    require(pieces.cells() == g.cells && state.size() == mass.size(), "pieces or states are not of this graph");
    check_plan(plan, pieces);
    for (std::size_t i = 0; i < state.size(); ++i) require(state.data()[i] >= 0 && state.data()[i] < g.cells + g.mids, "a state is outside");
    const auto columns = static_cast<int>(plan.shape(0));
    const auto steps = static_cast<std::int32_t>(plan.shape(2));
    const int parts = (columns + lanes - 1) / lanes;
    const auto states = static_cast<std::size_t>(g.cells) + static_cast<std::size_t>(g.mids);
    const auto flows = static_cast<std::size_t>(steps) * static_cast<std::size_t>(g.cells);
    auto survival = make_out<double>({kinds, static_cast<std::size_t>(columns)});
    auto next = make_out<double>({kinds, follow ? states : 0});
    auto next_out = make_out<double>({kinds});
    auto flow = make_out<float>({follow ? static_cast<std::size_t>(steps) : 0, static_cast<std::size_t>(g.cells)});
    {
        nb::gil_scoped_release free_interpreter;
        struct Sum {
            std::vector<double> next, out;
            std::vector<float> flow;
        };
        std::vector<Sum> sums(static_cast<std::size_t>(parts));
        share(parts, threads, [&](int part) {
            Room room(g, starts, steps, static_cast<std::int32_t>(plan.shape(1)), steps + 1);
            Sweep& s = room.s;
            give_plan(s, plan, part);
            s.value_next = value_next.data();
            s.mid_next = mid_next.data();
            sweep(g, pieces.pieces, s);
            Sum& sum = sums[static_cast<std::size_t>(part)];
            sum.out.assign(kinds, 0.0);
            if (follow) {
                sum.next.assign(kinds * states, 0.0);
                sum.flow.assign(flows, 0.0F);
            }
            for (int lane = 0; lane < lanes && part * lanes + lane < columns; ++lane) {
                const auto column = static_cast<std::size_t>(part * lanes + lane);
                const double probability = sigma.data()[column];
                const bool traced = follow && probability > 0.0;
                const auto from = static_cast<std::size_t>(begin.data()[column]);
                for (std::size_t kind = 0; kind < kinds; ++kind) {
                    Trace trace(g, s, lane, sum.next.data() + kind * states, sum.flow.data());
                    const double share_prob = probability * flow_weight.data()[kind];
                    const auto first = static_cast<std::size_t>(state_start.data()[kind * layouts + from]);
                    const auto last = static_cast<std::size_t>(state_start.data()[kind * layouts + from + 1]);
                    double total = 0.0;
                    for (std::size_t i = first; i < last; ++i) {
                        const std::int32_t x = state.data()[i];
                        const double d = mass.data()[i];
                        const auto worth = static_cast<double>(x < g.cells ? trace.value(0, x) : mid_value(g, s, x - g.cells, lane));
                        total += d * worth;
                        if (!traced) continue;
                        if (x < g.cells) {
                            trace.from_cell(0, x, d, share_prob * d * worth, probability);
                        } else {
                            trace.from_mid(x - g.cells, d, share_prob * d * worth, probability);
                        }
                    }
                    const double outside = out_mass.data()[kind * layouts + from];
                    if (outside > 0.0) {
                        double stay_out = 1.0;
                        const double later = out_next.data()[kind];
                        const auto choices = start_choices(g, s, trace, held_to.data()[kind], later, temperature, waves_after, stay_out);
                        total += outside * stay_out * later;
                        sum.out[kind] += probability * outside * stay_out;
                        for (const Choice& choice : choices) {
                            if (choice.share == 0.0) continue;
                            const double d = outside * choice.share;
                            total += d * choice.value;
                            if (traced) trace.from_cell(choice.t, choice.u, d, share_prob * d * choice.value, probability);
                        }
                    }
                    survival.data()[kind * static_cast<std::size_t>(columns) + column] = total;
                }
            }
        });
        for (const Sum& sum : sums) {
            for (std::size_t kind = 0; kind < kinds; ++kind) next_out.data()[kind] += sum.out[kind];
            if (!follow) continue;
            for (std::size_t i = 0; i < kinds * states; ++i) next.data()[i] += sum.next[i];
            for (std::size_t i = 0; i < flows; ++i) flow.data()[i] += sum.flow[i];
        }
    }
    return {survival, next, next_out, flow};
}

}  // namespace
}  // namespace game

void register_game(nanobind::module_& m) {
    using namespace game;
    nb::class_<HeldGraph>(m, "CrosserArcs")
        .def(nb::init<In<std::int32_t, 1>, In<std::int32_t, 1>, In<std::int32_t, 1>, In<std::int32_t, 1>>(), "arc_start"_a,
             "arc_to"_a, "arc_tau"_a, "starts"_a, "Arcs of a crosser: int32 (cells + 1), (arcs), (arcs); start cells.")
        .def_prop_ro("cells", [](const HeldGraph& h) { return h.graph.cells; })
        .def_prop_ro("mids", [](const HeldGraph& h) { return h.graph.mids; })
        .def_prop_ro("longest", [](const HeldGraph& h) { return h.graph.longest; });
    nb::class_<HeldPieces>(m, "SeenPieces")
        .def(nb::init<In<std::int64_t, 1>, In<std::int32_t, 1>, In<float, 1>, std::int32_t>(), "start"_a, "cell"_a,
             "factor"_a, "cells"_a, "Survival factors of flown pieces: int64 (pieces + 1), int32 (n), float32 (n).")
        .def_prop_ro("count", &HeldPieces::count);
    m.def("backward_wave", &backward_wave, "graph"_a, "pieces"_a, "plan"_a, "sigma"_a, "value_next"_a, "mid_next"_a,
          "group"_a, "threads"_a,
          "One wave of the exact recursion, columns that end in one layout. plan: int32 (columns, aircraft, steps) of pieces\n"
          "or -1; sigma: float64 (layouts at the beginning, columns); group: int32 (start cells). Returns value float32\n"
          "(layouts, cells), mid float32 (layouts, mids), best start float32 (columns, groups), rounded up.");
    m.def("forward_wave", &forward_wave, "graph"_a, "pieces"_a, "plan"_a, "sigma"_a, "begin"_a, "value_next"_a,
          "mid_next"_a, "group"_a, "held_to"_a, "out_next"_a, "state_start"_a, "state"_a, "mass"_a, "out_mass"_a,
          "flow_weight"_a, "temperature"_a, "waves_after"_a, "follow"_a, "threads"_a,
          "The best response through one wave, columns that end in one layout; begin: int32 (columns) layout each begins in.\n"
          "Kinds of crosser differ in the group of start cells they are held to (held_to int32 (kinds), -1: none); out_mass\n"
          "float64 (kinds, layouts) still outside; state: int32 (n) cells, then cells + mid-arc states, of layout after\n"
          "layout of kind after kind from state_start; mass: float64 (n). Returns survival by column float64 (kinds, columns),\n"
          "next masses float64 (kinds, cells + mids), mass still outside (kinds), flow float32 (steps, cells) of all kinds by\n"
          "flow_weight; empty masses and flow unless follow.");
    register_game_routes(m);
    register_game_flight(m);
}

}  // namespace kuntur
