// What every crosser must pay in one wave whatever column is drawn: additive fields below 1 - exp(-exposure).
//
// For column s let H_s(p) be the exposure of route p in this wave. A field g >= 0 on (step, cell) is valid if its sum along
// every route is at most 1 - exp(-H_s(p)). Three are (SCIENCE of kuntur.patrol.refute): with A and B the largest exposure
// that any route still in question collects before and after the point, and M = A + h + B,
//     (1 - e^-h) e^-A,   (1 - e^-h) e^-B,   h (1 - e^-M) / M.
// Per column that one is taken which charges the routes of `flow` most. Routes in question stay in open points: a crosser on
// an arc is in the cell he left. At the wave's beginning he may be anywhere open, also on an arc he entered before.
#include <nanobind/nanobind.h>

#include <cmath>

#include "game_arrays.hpp"
#include "module.hpp"

namespace kuntur {

void register_routes_fields(nanobind::module_& m);

namespace game {
namespace {

using namespace nb::literals;

constexpr float never = -1e30F;
constexpr float most_step = 8.0F;  // a step's exposure is never taken for more: less is valid too, and sums stay precise
constexpr int lane_count = lanes;

// The cells open at some step of the wave, numbered anew, and the arcs between them.
struct Part {
    std::int32_t cells = 0, steps = 0;
    bool first = false;  // the night's first wave: nobody is on an arc he entered before
    std::vector<std::int32_t> number;  // by cell of the graph; -1 where never open
    std::vector<std::int32_t> out_start, out_to, out_tau, in_start, in_from, in_tau;
    std::vector<std::uint8_t> open, starts;
    std::vector<std::uint16_t> run;  // how many steps on end the cell has been open, this one included

    Part(const Graph& g, const std::uint8_t* mask, std::int32_t n, bool is_first) : steps(n), first(is_first) {
        number.assign(static_cast<std::size_t>(g.cells), -1);
        std::vector<std::int32_t> cell;
        for (std::int32_t u = 0; u < g.cells; ++u) {
            bool any = false;
            for (std::int32_t t = 0; t < n; ++t) any = any || mask[std::int64_t{t} * g.cells + u] != 0;
            if (any) number[static_cast<std::size_t>(u)] = cells++, cell.push_back(u);
        }
        const auto m = static_cast<std::size_t>(cells);
        out_start.assign(1, 0);
        std::vector<std::vector<std::pair<std::int32_t, std::int32_t>>> in(m);
        for (std::size_t i = 0; i < m; ++i) {
            for (std::int32_t a = g.arc_start[cell[i]]; a < g.arc_start[cell[i] + 1]; ++a) {
                if (g.arc_to[a] == g.cells || number[static_cast<std::size_t>(g.arc_to[a])] < 0) continue;
                const std::int32_t to = number[static_cast<std::size_t>(g.arc_to[a])];
                out_to.push_back(to);
                out_tau.push_back(g.arc_tau[a]);
                in[static_cast<std::size_t>(to)].emplace_back(static_cast<std::int32_t>(i), g.arc_tau[a]);
            }
            out_start.push_back(static_cast<std::int32_t>(out_to.size()));
        }
        in_start.assign(1, 0);
        for (const auto& arcs : in) {
            for (const auto& [from, tau] : arcs) in_from.push_back(from), in_tau.push_back(tau);
            in_start.push_back(static_cast<std::int32_t>(in_from.size()));
        }
        starts.assign(m, 0);
        for (std::int32_t j = 0; j < g.start_count; ++j) {
            if (number[static_cast<std::size_t>(g.starts[j])] >= 0) starts[static_cast<std::size_t>(number[static_cast<std::size_t>(g.starts[j])])] = 1;
        }
        open.resize(m * static_cast<std::size_t>(n));
        run.resize(open.size());
        for (std::size_t t = 0; t < static_cast<std::size_t>(n); ++t) {
            for (std::size_t i = 0; i < m; ++i) {
                open[t * m + i] = mask[t * static_cast<std::size_t>(g.cells) + static_cast<std::size_t>(cell[i])];
                const int before = t > 0 ? run[(t - 1) * m + i] : 0;
                run[t * m + i] = static_cast<std::uint16_t>(open[t * m + i] ? std::min(before + 1, 65535) : 0);
            }
        }
    }

    // May somebody who was in cell i up to step t have been on an arc of tau steps that ends at t + 1?
    bool left(std::int32_t t, std::size_t i, std::int32_t tau) const {
        const std::int32_t enough = tau <= t + 1 ? tau : t + 1;
        return (tau <= t + 1 || !first) && run[static_cast<std::size_t>(t) * static_cast<std::size_t>(cells) + i] >= enough;
    }
};

// Eight columns side by side.
class Group {
public:
    Group(const Part& part) : p_(part), row_(static_cast<std::size_t>(part.cells) * lane_count),
          shown_(row_ * static_cast<std::size_t>(part.steps), 0.0F), spent_(shown_.size() + row_, 0.0F),
          before_(shown_.size(), never), after_(shown_.size(), 0.0F) {}

    void show(const Pieces& pieces, const float* exposure, const std::int32_t* plan, std::int32_t aircraft, int lane) {
        for (std::int32_t k = 0; k < aircraft; ++k) {
            for (std::int32_t t = 0; t < p_.steps; ++t) {
                const std::int32_t piece = plan[k * p_.steps + t];
                if (piece < 0) continue;
                for (std::int64_t i = pieces.start[piece]; i < pieces.start[piece + 1]; ++i) {
                    const std::int32_t u = p_.number[static_cast<std::size_t>(pieces.cell[i])];
                    if (u < 0) continue;
                    float& h = shown_[static_cast<std::size_t>(t) * row_ + static_cast<std::size_t>(u) * lane_count + static_cast<std::size_t>(lane)];
                    h = std::min(most_step, h + exposure[i]);
                }
            }
        }
    }

    void reckon() {
        for (std::size_t x = 0; x < shown_.size(); ++x) spent_[x + row_] = spent_[x] + shown_[x];
        for (std::int32_t t = 0; t < p_.steps; ++t) forward(t);
        for (std::int32_t t = p_.steps - 1; t-- > 0;) backward(t);
    }

    // Adds the best valid field of one lane times its probability.
    void charge(int lane, double probability, const float* flow, double* field) const {
        const auto n = static_cast<std::size_t>(p_.steps);
        const auto m = static_cast<std::size_t>(p_.cells);
        float longest = 0.0F;
        for (std::size_t i = 0; i < m; ++i) longest = std::max(longest, spent_[n * row_ + i * lane_count + static_cast<std::size_t>(lane)]);
        // Every hop of the largest sums has rounded at most four times, each by half a unit of at most `longest` or M.
        const double rounding = static_cast<double>(n) * 4.0 / 8388608.0;
        const double margin = rounding * static_cast<double>(longest);
        double worth[3] = {0.0, 0.0, 0.0};
        std::vector<Charge> charges;
        for (std::size_t x = 0; x < n * m; ++x) {
            const std::size_t at = x * lane_count + static_cast<std::size_t>(lane);
            const auto h = static_cast<double>(shown_[at]);
            if (h <= 0.0 || !p_.open[x] || before_[at] < 0.0F) continue;
            const double a = static_cast<double>(before_[at]) * (1.0 + rounding) + margin;
            const double b = static_cast<double>(after_[at]) * (1.0 + rounding) + margin;
            const double total = a + h + b;
            const double once = -std::expm1(-h);
            const Charge c{x, {once * std::exp(-a), once * std::exp(-b), h * -std::expm1(-total) / total}};
            for (std::size_t k = 0; k < 3; ++k) worth[k] += static_cast<double>(flow[x]) * c.of[k];
            charges.push_back(c);
        }
        std::size_t best = 2;
        for (std::size_t k = 0; k < 2; ++k) {
            if (worth[k] > worth[best]) best = k;
        }
        for (const Charge& c : charges) field[c.at] += probability * c.of[best];
    }

private:
    struct Charge {
        std::size_t at;
        double of[3];
    };

    static void raise(float* best, const float* other, const float* more) {
        for (int l = 0; l < lane_count; ++l) {
            const float x = other[l] + more[l];
            best[l] = x > best[l] ? x : best[l];
        }
    }

    void forward(std::int32_t t) {
        const auto step = static_cast<std::size_t>(t);
        const auto m = static_cast<std::size_t>(p_.cells);
        const float* spent_now = spent_.data() + step * row_;
        for (std::size_t i = 0; i < m; ++i) {
            if (!p_.open[step * m + i]) continue;
            float* best = before_.data() + step * row_ + i * lane_count;
            if (p_.starts[i] || (t == 0 && !p_.first)) {
                for (int l = 0; l < lane_count; ++l) best[l] = 0.0F;
            }
            if (t == 0) continue;
            if (p_.open[(step - 1) * m + i]) raise(best, best - row_, shown_.data() + (step - 1) * row_ + i * lane_count);
            for (auto k = static_cast<std::size_t>(p_.in_start[i]); k < static_cast<std::size_t>(p_.in_start[i + 1]); ++k) {
                const auto j = static_cast<std::size_t>(p_.in_from[k]);
                if (!p_.left(t - 1, j, p_.in_tau[k])) continue;
                const float* until = spent_now + j * lane_count;
                if (p_.in_tau[k] > t) {
                    static const float nothing[lane_count] = {};
                    raise(best, nothing, until);
                    continue;
                }
                const std::size_t depart = (step - static_cast<std::size_t>(p_.in_tau[k])) * row_ + j * lane_count;
                float passed[lane_count];
                for (std::size_t l = 0; l < lane_count; ++l) passed[l] = until[l] - spent_[depart + l];
                raise(best, before_.data() + depart, passed);
            }
        }
    }

    void backward(std::int32_t t) {
        const auto step = static_cast<std::size_t>(t);
        const auto m = static_cast<std::size_t>(p_.cells);
        const std::size_t next = (step + 1) * row_;
        for (std::size_t i = 0; i < m; ++i) {
            if (!p_.open[step * m + i]) continue;
            float* best = after_.data() + step * row_ + i * lane_count;
            const auto try_to = [&](std::size_t v) { raise(best, after_.data() + next + v * lane_count, shown_.data() + next + v * lane_count); };
            if (p_.open[(step + 1) * m + i]) try_to(i);
            for (auto k = static_cast<std::size_t>(p_.out_start[i]); k < static_cast<std::size_t>(p_.out_start[i + 1]); ++k) {
                const auto v = static_cast<std::size_t>(p_.out_to[k]);
                if (p_.open[(step + 1) * m + v] && p_.left(t, i, p_.out_tau[k])) try_to(v);
            }
        }
    }

    const Part& p_;
    const std::size_t row_;
    std::vector<float> shown_, spent_, before_, after_;
};

// Sum over columns of probability times field, rounded down: (steps, cells).
Out<float> wave_field(const HeldGraph& held, HeldPieces& pieces, In<std::int32_t, 3> plan, In<double, 1> sigma, In<std::uint8_t, 2> open,
                      In<float, 2> flow, bool first, int threads) {
    const Graph& g = held.graph;
    const auto columns = static_cast<int>(plan.shape(0));
    const auto aircraft = static_cast<std::int32_t>(plan.shape(1));
    const auto steps = static_cast<std::int32_t>(plan.shape(2));
    const auto cells = static_cast<std::size_t>(g.cells);
    const auto n = static_cast<std::size_t>(steps);
    require(plan.shape(0) == sigma.size() && pieces.cells() == g.cells, "plan, sigma, pieces and graph differ");
    require(open.shape(0) == n && open.shape(1) == cells && flow.shape(0) == n && flow.shape(1) == cells, "open or flow is not (steps, cells)");
    for (std::size_t i = 0; i < plan.size(); ++i) require(plan.data()[i] >= -1 && plan.data()[i] < pieces.count(), "a plan names a piece that is not there");
    auto field = make_out<float>({n, cells});
    nb::gil_scoped_release free_interpreter;
    const float* exposure = pieces.exposure();
    const Part part(g, open.data(), steps, first);
    const auto m = static_cast<std::size_t>(part.cells);
    if (m == 0) return field;
    std::vector<float> followed(n * m);
    for (std::size_t t = 0; t < n; ++t) {
        for (std::size_t u = 0; u < cells; ++u) {
            if (part.number[u] >= 0) followed[t * m + static_cast<std::size_t>(part.number[u])] = flow.data()[t * cells + u];
        }
    }
    const int groups = (columns + lane_count - 1) / lane_count;
    std::vector<std::vector<double>> sums(static_cast<std::size_t>(groups));
    share(groups, threads, [&](int number) {
        std::vector<double>& sum = sums[static_cast<std::size_t>(number)];
        Group group(part);
        for (int lane = 0; lane < lane_count && number * lane_count + lane < columns; ++lane) {
            const auto column = static_cast<std::size_t>(number * lane_count + lane);
            group.show(pieces.pieces, exposure, plan.data() + column * plan.shape(1) * n, aircraft, lane);
        }
        group.reckon();
        sum.assign(n * m, 0.0);
        for (int lane = 0; lane < lane_count && number * lane_count + lane < columns; ++lane) {
            const double probability = sigma.data()[number * lane_count + lane];
            if (probability > 0.0) group.charge(lane, probability, followed.data(), sum.data());
        }
    });
    for (std::size_t t = 0; t < n; ++t) {
        for (std::size_t u = 0; u < cells; ++u) {
            if (part.number[u] < 0) continue;
            double total = 0.0;
            for (const std::vector<double>& sum : sums) total += sum[t * m + static_cast<std::size_t>(part.number[u])];
            field.data()[t * cells + u] = static_cast<float>(total * (1.0 - 1e-6));
        }
    }
    return field;
}

}  // namespace
}  // namespace game

void register_routes_fields(nanobind::module_& m) {
    using namespace game;
    m.def("wave_field", &wave_field, "graph"_a, "pieces"_a, "plan"_a, "sigma"_a, "open"_a, "flow"_a, "first"_a, "threads"_a,
          "float32 (steps, cells), rounded down: a field whose sum along any route through open points is at most the chance\n"
          "that the route is seen in this wave. plan int32 (columns, aircraft, steps), open uint8 and flow float32 (steps, cells).");
}

}  // namespace kuntur
