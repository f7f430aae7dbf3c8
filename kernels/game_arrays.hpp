// Array types of the game's bindings, and the graph and pieces as Python hands them over.
#pragma once

#include <nanobind/ndarray.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "game.hpp"

namespace kuntur::game {

namespace nb = nanobind;

template <class T, int D>
using In = nb::ndarray<const T, nb::ndim<D>, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<nb::numpy, T, nb::c_contig>;

template <class T>
Out<T> make_out(std::initializer_list<std::size_t> shape) {
    std::size_t size = 1;
    for (const std::size_t extent : shape) size *= extent;
    T* data = static_cast<T*>(std::calloc(std::max<std::size_t>(size, 1), sizeof(T)));
    if (data == nullptr) throw std::bad_alloc();
    const nb::capsule owner(data, [](void* p) noexcept { std::free(p); });
    return Out<T>(data, shape.size(), shape.begin(), owner);
}

inline void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(std::string("game kernel: ") + what);
}

// work(i) for every i < count, split among threads by turns; results must not depend on who did what.
template <class Work>
void share(int count, int threads, const Work& work) {
    const int used = std::max(1, std::min(threads, count));
    const auto run = [&](int first) {
        for (int i = first; i < count; i += used) work(i);
    };
    std::vector<std::thread> others;
    for (int k = 1; k < used; ++k) others.emplace_back(run, k);
    run(0);
    for (std::thread& other : others) other.join();
}

// A Graph that owns its arrays (copied once, checked once).
class HeldGraph {
public:
    HeldGraph(In<std::int32_t, 1> arc_start, In<std::int32_t, 1> arc_to, In<std::int32_t, 1> arc_tau,
              In<std::int32_t, 1> starts)
        : arc_start_(arc_start.data(), arc_start.data() + arc_start.size()),
          arc_to_(arc_to.data(), arc_to.data() + arc_to.size()),
          arc_tau_(arc_tau.data(), arc_tau.data() + arc_tau.size()),
          starts_(starts.data(), starts.data() + starts.size()) {
        require(!arc_start_.empty() && arc_start_.front() == 0, "arc_start must begin with 0");
        const auto cells = static_cast<std::int32_t>(arc_start_.size() - 1);
        require(arc_to_.size() == arc_tau_.size() && arc_start_.back() == static_cast<std::int32_t>(arc_to_.size()),
                "arc arrays differ in length");
        for (std::int32_t u = 0; u < cells; ++u) {
            require(arc_start_[static_cast<std::size_t>(u)] <= arc_start_[static_cast<std::size_t>(u) + 1],
                    "arc_start must not fall");
            for (std::int32_t a = arc_start_[static_cast<std::size_t>(u)]; a < arc_start_[static_cast<std::size_t>(u) + 1]; ++a) {
                arc_from_.push_back(u);
            }
        }
        std::int32_t longest = 1;
        for (std::size_t a = 0; a < arc_to_.size(); ++a) {
            require(arc_to_[a] >= 0 && arc_to_[a] <= cells, "an arc ends outside the graph");
            require(arc_tau_[a] >= 1, "an arc takes less than one step");
            longest = std::max(longest, arc_tau_[a]);
            mid_start_.push_back(static_cast<std::int32_t>(mid_arc_.size()));
            mid_arc_.insert(mid_arc_.end(), static_cast<std::size_t>(arc_tau_[a] - 1), static_cast<std::int32_t>(a));
        }
        for (const std::int32_t u : starts_) require(u >= 0 && u < cells, "a start cell is outside the graph");
        graph.cells = cells;
        graph.mids = static_cast<std::int32_t>(mid_arc_.size());
        graph.longest = longest;
        graph.arc_start = arc_start_.data();
        graph.arc_to = arc_to_.data();
        graph.arc_tau = arc_tau_.data();
        graph.mid_start = mid_start_.data();
        graph.mid_arc = mid_arc_.data();
        graph.arc_from = arc_from_.data();
        graph.starts = starts_.data();
        graph.start_count = static_cast<std::int32_t>(starts_.size());
    }
    HeldGraph(const HeldGraph&) = delete;
    HeldGraph& operator=(const HeldGraph&) = delete;

    Graph graph;

private:
    std::vector<std::int32_t> arc_start_, arc_to_, arc_tau_, starts_, arc_from_, mid_start_, mid_arc_;
};

// Pieces as arrays that Python keeps alive; the transposed table (cell -> pieces) for rewards.
class HeldPieces {
public:
    HeldPieces(In<std::int64_t, 1> start, In<std::int32_t, 1> cell, In<float, 1> factor, std::int32_t cells)
        : start_(start.data(), start.data() + start.size()),
          cell_(cell.data(), cell.data() + cell.size()),
          factor_(factor.data(), factor.data() + factor.size()),
          cells_(cells) {
        require(!start_.empty() && start_.front() == 0 && start_.back() == static_cast<std::int64_t>(cell_.size()) &&
                    cell_.size() == factor_.size(),
                "piece arrays differ in length");
        for (std::size_t i = 1; i < start_.size(); ++i) require(start_[i - 1] <= start_[i], "piece starts must not fall");
        for (std::size_t i = 0; i < cell_.size(); ++i) {
            require(cell_[i] >= 0 && cell_[i] < cells, "a piece sees a cell outside the graph");
            require(factor_[i] > 0.0F && factor_[i] <= 1.0F, "a survival factor not above 0 or above 1");
        }
        pieces = {start_.data(), cell_.data(), factor_.data()};
    }
    HeldPieces(const HeldPieces&) = delete;
    HeldPieces& operator=(const HeldPieces&) = delete;

    // The table turned round (cell -> pieces), made when it is first asked for: only the search needs it.
    void turn() {
        const std::lock_guard<std::mutex> only_one(turning_);
        if (!seen_start.empty()) return;
        const auto cells = static_cast<std::size_t>(cells_);
        seen_start.assign(cells + 1, 0);
        for (const std::int32_t u : cell_) ++seen_start[static_cast<std::size_t>(u) + 1];
        for (std::size_t u = 0; u < cells; ++u) seen_start[u + 1] += seen_start[u];
        std::vector<std::int64_t> next(seen_start.begin(), seen_start.end() - 1);
        seen_piece.resize(cell_.size());
        seen_share.resize(cell_.size());
        seen_exposure.resize(cell_.size());
        for (std::int32_t p = 0; p < count(); ++p) {
            for (std::int64_t i = start_[static_cast<std::size_t>(p)]; i < start_[static_cast<std::size_t>(p) + 1]; ++i) {
                const auto slot = static_cast<std::size_t>(next[static_cast<std::size_t>(cell_[static_cast<std::size_t>(i)])]++);
                seen_piece[slot] = p;
                seen_share[slot] = 1.0F - factor_[static_cast<std::size_t>(i)];
                seen_exposure[slot] = -std::log(factor_[static_cast<std::size_t>(i)]);
            }
        }
    }

    // Exposure of every entry, -log factor rounded down; made when it is first asked for.
    const float* exposure() {
        const std::lock_guard<std::mutex> only_one(turning_);
        if (exposure_.empty()) {
            exposure_.reserve(factor_.size() + 1);
            for (const float f : factor_) {
                exposure_.push_back(static_cast<float>(-std::log(static_cast<double>(f)) * (1.0 - 1.0 / 8388608.0)));
            }
            exposure_.push_back(0.0F);
        }
        return exposure_.data();
    }

    std::int32_t count() const { return static_cast<std::int32_t>(start_.size() - 1); }
    std::int32_t cells() const { return cells_; }

    Pieces pieces;
    std::vector<std::int64_t> seen_start;  // (cells + 1): which pieces see a cell
    std::vector<std::int32_t> seen_piece;   // rising within a cell
    std::vector<float> seen_share, seen_exposure;  // 1 - factor and -log factor there

private:
    std::mutex turning_;
    std::vector<std::int64_t> start_;
    std::vector<std::int32_t> cell_;
    std::vector<float> factor_, exposure_;
    std::int32_t cells_;
};

}  // namespace kuntur::game
