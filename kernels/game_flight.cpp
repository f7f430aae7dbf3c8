// The other side: what a piece of flight is worth against a crosser flow, and the best path of one aircraft through it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/tuple.h>

#include <limits>
#include <tuple>

#include "game_arrays.hpp"
#include "module.hpp"

namespace kuntur {
namespace game {
namespace {

using namespace nb::literals;

// worth(t, p - first) = sum over cells of flow(t, u) * (1 - factor), or of flow(t, u) * exposure; pieces first <= p < last.
Out<float> piece_worth(HeldPieces& pieces, In<float, 2> flow, std::int32_t first, std::int32_t last, bool additive,
                       int threads) {
    const std::size_t steps = flow.shape(0), cells = flow.shape(1);
    require(cells == static_cast<std::size_t>(pieces.cells()) && first >= 0 && first <= last && last <= pieces.count(),
            "flow or piece range do not fit");
    const auto width = static_cast<std::size_t>(last - first);
    auto worth = make_out<float>({steps, width});
    nb::gil_scoped_release free_interpreter;
    pieces.turn();
    const std::vector<float>& gain = additive ? pieces.seen_exposure : pieces.seen_share;
    share(static_cast<int>(steps), threads, [&](int step) {
        float* row = worth.data() + static_cast<std::size_t>(step) * width;
        for (std::size_t u = 0; u < cells; ++u) {
            const float f = flow.data()[static_cast<std::size_t>(step) * cells + u];
            if (f == 0.0F) continue;
            const auto begin = pieces.seen_piece.begin() + static_cast<std::ptrdiff_t>(pieces.seen_start[u]);
            const auto end = pieces.seen_piece.begin() + static_cast<std::ptrdiff_t>(pieces.seen_start[u + 1]);
            for (auto at = std::lower_bound(begin, end, first); at != end && *at < last; ++at) {
                row[*at - first] += f * gain[static_cast<std::size_t>(at - pieces.seen_piece.begin())];
            }
        }
    });
    return worth;
}

// worth(t, own) = value where the own piece comes near one of another aircraft's path at step t. Boxes are (pieces, 5):
// x, y, radius, lowest, highest altitude; path: per step the other's box or -1.
void forbid(nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu> worth, In<double, 2> own, In<double, 2> other,
            In<std::int32_t, 1> path, double apart_m, double apart_height_m, float value) {
    const std::size_t steps = worth.shape(0), width = worth.shape(1);
    require(own.shape(0) == width && own.shape(1) == 5 && other.shape(1) == 5 && path.size() == steps, "boxes do not fit");
    for (std::size_t t = 0; t < steps; ++t) {
        const std::int32_t piece = path.data()[t];
        if (piece < 0) continue;
        require(static_cast<std::size_t>(piece) < other.shape(0), "a path names a box that is not there");
        const double* b = other.data() + static_cast<std::size_t>(piece) * 5;
        for (std::size_t p = 0; p < width; ++p) {
            const double* a = own.data() + p * 5;
            if (a[3] >= b[4] + apart_height_m || a[4] <= b[3] - apart_height_m) continue;
            const double dx = a[0] - b[0], dy = a[1] - b[1], reach = a[2] + b[2] + apart_m;
            if (dx * dx + dy * dy < reach * reach) worth.data()[t * width + p] = value;
        }
    }
}

using Path = std::tuple<double, Out<std::int32_t>>;

// The path of greatest worth on a flight lattice from `start` at step `from` to `end` at step `to` (-1: any node). Arc a leaves
// arc_from[a], takes arc_steps[a] steps and shows pieces arc_piece[a], arc_piece[a] + 1, ... (-1: none); standing is an
// arc to itself. price: taken off for every step of an arc (arc_price). Returns worth and the arcs flown (-inf: none).
Path best_path(In<std::int32_t, 1> arc_start, In<std::int32_t, 1> arc_to, In<std::int32_t, 1> arc_steps,
               In<std::int32_t, 1> arc_piece, In<double, 1> arc_price, In<float, 2> worth, std::int32_t start, std::int32_t from,
               std::int32_t end, std::int32_t to) {
    const std::size_t nodes = arc_start.size() - 1, arcs = arc_to.size(), width = worth.shape(1);
    require(arc_steps.size() == arcs && arc_piece.size() == arcs && arc_price.size() == arcs, "flight arcs differ in length");
    require(0 <= from && from <= to && to <= static_cast<std::int32_t>(worth.shape(0)), "from and to do not fit the worth");
    require(start >= -1 && start < static_cast<std::int32_t>(nodes) && end >= -1 && end < static_cast<std::int32_t>(nodes),
            "no such flight node");
    const double none = -std::numeric_limits<double>::infinity();
    const auto span = static_cast<std::size_t>(to - from);
    std::vector<double> value((span + 1) * nodes, none);
    std::vector<std::int32_t> choice((span + 1) * nodes, -1), flown;
    double result = none;
    {
        nb::gil_scoped_release free_interpreter;
        for (std::size_t v = 0; v < nodes; ++v) {
            if (end < 0 || v == static_cast<std::size_t>(end)) value[span * nodes + v] = 0.0;
        }
        for (std::size_t k = span; k-- > 0;) {
            for (std::size_t v = 0; v < nodes; ++v) {
                double best = none;
                std::int32_t pick = -1;
                for (std::int32_t a = arc_start.data()[v]; a < arc_start.data()[v + 1]; ++a) {
                    const auto arc = static_cast<std::size_t>(a);
                    const std::size_t then = k + static_cast<std::size_t>(arc_steps.data()[arc]);
                    if (then > span) continue;
                    double gain = value[then * nodes + static_cast<std::size_t>(arc_to.data()[arc])];
                    if (gain == none) continue;
                    gain -= arc_price.data()[arc];
                    const std::int32_t piece = arc_piece.data()[arc];
                    for (std::size_t j = k; piece >= 0 && j < then; ++j) {
                        gain += static_cast<double>(
                            worth.data()[(static_cast<std::size_t>(from) + j) * width + static_cast<std::size_t>(piece) + (j - k)]);
                    }
                    if (gain > best) best = gain, pick = a;
                }
                value[k * nodes + v] = best;
                choice[k * nodes + v] = pick;
            }
        }
        std::size_t k = 0;
        auto v = static_cast<std::size_t>(std::max(start, 0));
        if (start < 0) v = static_cast<std::size_t>(std::max_element(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(nodes)) - value.begin());
        result = value[v];
        while (result > none && k < span) {
            const std::int32_t a = choice[k * nodes + v];
            flown.push_back(a);
            k += static_cast<std::size_t>(arc_steps.data()[a]);
            v = static_cast<std::size_t>(arc_to.data()[a]);
        }
    }
    auto path = make_out<std::int32_t>({flown.size()});
    std::copy(flown.begin(), flown.end(), path.data());
    return {result, path};
}

}  // namespace
}  // namespace game

void register_game_flight(nanobind::module_& m) {
    using namespace game;
    m.def("piece_worth", &piece_worth, "pieces"_a, "flow"_a, "first"_a, "last"_a, "additive"_a, "threads"_a,
          "Worth float32 (steps, last - first) of pieces against a flow float32 (steps, cells).");
    m.def("forbid", &forbid, "worth"_a, "own"_a, "other"_a, "path"_a, "apart_m"_a, "apart_height_m"_a, "value"_a,
          "Write value into worth float32 (steps, pieces) where a piece comes near another aircraft. Boxes float64\n"
          "(pieces, 5): x, y, radius, lowest and highest altitude; path int32 (steps): box or -1.");
    m.def("best_path", &best_path, "arc_start"_a, "arc_to"_a, "arc_steps"_a, "arc_piece"_a, "arc_price"_a, "worth"_a,
          "start"_a, "from_step"_a, "end"_a, "to_step"_a,
          "Greatest worth and the arcs flown, int32; -inf and none when the end cannot be reached in time. start or end -1:\n"
          "any node.");
}

}  // namespace kuntur
